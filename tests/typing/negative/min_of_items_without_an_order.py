"""Min of items without an order."""

from __future__ import annotations

from tests.typing.shop import rows

rows.iter(path="a").min()

# mypy     All overload variants of "min" of "Foldable" require at least one argument  [call-overload]
# plugin   All overload variants of "min" of "Foldable" require at least one argument  [call-overload]
# pyright  No overloads for "min" match the provided arguments  [reportCallIssue]
# pyrefly  Argument `IterFuture[dict[str, str]]` is not assignable to parameter `self` with type `StreamOf[Comparable]` in function `daglite.futures.folds.Foldable.min`  [bad-argument-type]
# ty       Argument to bound method `Foldable.min` is incorrect: Expected `StreamOf[Comparable]`, found `IterFuture[dict[str, str]]`  [invalid-argument-type]
# python   ok
# why      python: building does not look at what items are
