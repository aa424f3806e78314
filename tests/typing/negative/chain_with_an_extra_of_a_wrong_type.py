"""Chain with an extra of a wrong type."""

from __future__ import annotations

from tests.typing.shop import numbers, scale

numbers.iter(n=3).then(scale, factor="2")

# mypy     Argument "factor" to "then" of "Items" has incompatible type "str"; expected "float"  [arg-type]
# plugin   Argument "factor" to "then(scale)" has incompatible type "str"; expected "float | Future[float]"  [arg-type]
# pyright  Argument of type "Literal['2']" cannot be assigned to parameter "factor" of type "float"  [reportArgumentType]
# pyrefly  Argument `Literal['2']` is not assignable to parameter `factor` with type `float` in function `daglite.futures.items.Items.then`  [bad-argument-type]
# ty       Argument to bound method `Items.then` is incorrect: Expected `float`, found `Literal["2"]`  [invalid-argument-type]
# python   ok
