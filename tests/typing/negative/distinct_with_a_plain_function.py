"""Distinct with a plain function."""

from __future__ import annotations

from tests.typing.shop import words

words.iter(text="a").distinct(len)

# mypy     Argument 1 to "distinct" of "Items" has incompatible type "Callable[[Sized], int]"; expected "Callable[[str], TaskFuture[object]] | None"  [arg-type]
# plugin   Argument 1 to "distinct" of "Items" has incompatible type "Callable[[Sized], int]"; expected "Callable[[str], TaskFuture[object]] | None"  [arg-type]
# pyright  Argument of type "(obj: Sized, /) -> int" cannot be assigned to parameter "key" of type "((str) -> TaskFuture[object]) | None" in function "distinct"  [reportArgumentType]
# pyrefly  Argument `(obj: Sized, /) -> int` is not assignable to parameter `key` with type `((str) -> TaskFuture[object]) | None` in function `daglite.futures.items.Items.distinct`  [bad-argument-type]
# ty       Argument to bound method `Items.distinct` is incorrect: Expected `((str, /) -> TaskFuture[object]) | None`, found `def len(obj: Sized, /) -> int`  [invalid-argument-type]
# python   TaskError: `distinct` needs a task; got <built-in function len>; decorate the function with `@task` or wrap it: task(len)
