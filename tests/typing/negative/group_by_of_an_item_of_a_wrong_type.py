"""Group_by of an item of a wrong type."""

from __future__ import annotations

from tests.typing.shop import numbers, upper

numbers.iter(n=3).group_by(upper)

# mypy     Argument 1 to "group_by" of "Items" has incompatible type "Task[[str], str]"; expected "Callable[[int], TaskFuture[str]]"  [arg-type]
# plugin   Argument 1 to "group_by" of "Items" has incompatible type "Task[[str], str]"; expected "Callable[[int], TaskFuture[str]]"  [arg-type]
# pyright  Argument of type "Task[(text: str), str]" cannot be assigned to parameter "key" of type "(int) -> TaskFuture[K@group_by]" in function "group_by"  [reportArgumentType]
# pyrefly  Argument `Task[[text: str], str]` is not assignable to parameter `key` with type `(int) -> TaskFuture[@_]` in function `daglite.futures.items.Items.group_by`  [bad-argument-type]
# ty       Argument to bound method `Items.group_by` is incorrect: Expected `(int, /) -> TaskFuture[Unknown]`, found `Task[(text: str), str]`  [invalid-argument-type]
# python   ok
