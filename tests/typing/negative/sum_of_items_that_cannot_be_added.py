"""Sum of items that cannot be added."""

from __future__ import annotations

from tests.typing.shop import rows

rows.iter(path="a").sum()

# mypy     Invalid self argument "IterFuture[dict[str, str]]" to attribute function "sum" with type "Callable[[StreamOf[Addable], T | int], ReduceFuture[T]]"  [misc]
# plugin   Invalid self argument "IterFuture[dict[str, str]]" to attribute function "sum" with type "Callable[[StreamOf[Addable], T | int], ReduceFuture[T]]"  [misc]
# pyright  Cannot access attribute "sum" for class "IterFuture[dict[str, str]]"  [reportAttributeAccessIssue]
# pyrefly  Argument `IterFuture[dict[str, str]]` is not assignable to parameter `self` with type `StreamOf[Addable]` in function `daglite.futures.folds.Foldable.sum`  [bad-argument-type]
# ty       Argument to bound method `Foldable.sum` is incorrect: Expected `StreamOf[Addable]`, found `IterFuture[dict[str, str]]`  [invalid-argument-type]
# python   ok
# why      python: building does not look at what items are
