"""Zip of a list."""

from __future__ import annotations

from tests.typing.shop import numbers

numbers.iter(n=3).zip([1, 2])

# mypy     Argument 1 to "zip" of "Items" has incompatible type "list[int]"; expected "Items[Never]"  [arg-type]
# plugin   Argument 1 to "zip" of "Items" has incompatible type "list[int]"; expected "Items[Never]"  [arg-type]
# pyright  Argument of type "list[int]" cannot be assigned to parameter "other" of type "Items[U@zip]" in function "zip"  [reportArgumentType]
# pyrefly  Argument `list[int]` is not assignable to parameter `other` with type `Items[@_]` in function `daglite.futures.items.Items.zip`  [bad-argument-type]
# ty       Argument to bound method `Items.zip` is incorrect: Expected `Items[Unknown]`, found `list[int]`  [invalid-argument-type]
# python   TaskError: `zip` needs another stream; got [1, 2]; make one of it: daglite.from_iterable(...)
