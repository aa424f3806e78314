"""Unbatch of items that hold nothing."""

from __future__ import annotations

from tests.typing.shop import numbers

numbers.iter(n=3).unbatch()

# mypy     Invalid self argument "IterFuture[int]" to attribute function "unbatch" with type "Callable[[StreamOf[Iterable[U]]], MapTaskFuture[U]]"  [misc]
# plugin   Invalid self argument "IterFuture[int]" to attribute function "unbatch" with type "Callable[[StreamOf[Iterable[U]]], MapTaskFuture[U]]"  [misc]
# pyright  Cannot access attribute "unbatch" for class "IterFuture[int]"  [reportAttributeAccessIssue]
# pyrefly  Argument `IterFuture[int]` is not assignable to parameter `self` with type `StreamOf[Iterable[@_]]` in function `daglite.futures.items.Items.unbatch`  [bad-argument-type]
# ty       Argument to bound method `Items.unbatch` is incorrect: Expected `StreamOf[Iterable[Unknown]]`, found `IterFuture[int]`  [invalid-argument-type]
# python   ok
# why      python: building does not look at what items are
