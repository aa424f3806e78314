"""Group_by with a plain function."""

from __future__ import annotations

from tests.typing.shop import words

words.iter(text="a").group_by(len)

# mypy     Argument 1 to "group_by" of "Items" has incompatible type "Callable[[Sized], int]"; expected "Callable[[str], TaskFuture[Never]]"  [arg-type]
# plugin   Argument 1 to "group_by" of "Items" has incompatible type "Callable[[Sized], int]"; expected "Callable[[str], TaskFuture[Never]]"  [arg-type]
# pyright  Argument of type "(obj: Sized, /) -> int" cannot be assigned to parameter "key" of type "(str) -> TaskFuture[K@group_by]" in function "group_by"  [reportArgumentType]
# pyrefly  Argument `(obj: Sized, /) -> int` is not assignable to parameter `key` with type `(str) -> TaskFuture[@_]` in function `daglite.futures.items.Items.group_by`  [bad-argument-type]
# ty       Argument to bound method `Items.group_by` is incorrect: Expected `(str, /) -> TaskFuture[Unknown]`, found `def len(obj: Sized, /) -> int`  [invalid-argument-type]
# python   TaskError: `group_by` needs a task; got <built-in function len>; decorate the function with `@task` or wrap it: task(len)
