"""Distinct of an item of a wrong type."""

from __future__ import annotations

from tests.typing.shop import numbers, upper

numbers.iter(n=3).distinct(upper)

# mypy     Argument 1 to "distinct" of "Items" has incompatible type "Task[[str], str]"; expected "Callable[[int], TaskFuture[object]] | None"  [arg-type]
# plugin   Argument 1 to "distinct" of "Items" has incompatible type "Task[[str], str]"; expected "Callable[[int], TaskFuture[object]] | None"  [arg-type]
# pyright  Argument of type "Task[(text: str), str]" cannot be assigned to parameter "key" of type "((int) -> TaskFuture[object]) | None" in function "distinct"  [reportArgumentType]
# pyrefly  Argument `Task[[text: str], str]` is not assignable to parameter `key` with type `((int) -> TaskFuture[object]) | None` in function `daglite.futures.items.Items.distinct`  [bad-argument-type]
# ty       Argument to bound method `Items.distinct` is incorrect: Expected `((int, /) -> TaskFuture[object]) | None`, found `Task[(text: str), str]`  [invalid-argument-type]
# python   ok
