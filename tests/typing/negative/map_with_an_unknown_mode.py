"""Map with an unknown mode."""

from __future__ import annotations

from tests.typing.shop import double

double.map(x=[1], map_mode="outer")

# mypy     Argument "map_mode" to "map" of "BaseTask" has incompatible type "Literal['outer']"; expected "Literal['zip', 'product']"  [arg-type]
# plugin   Argument "map_mode" to "double.map" has incompatible type "Literal['outer']"; expected "Literal['zip', 'product']"  [arg-type]
# pyright  Argument of type "Literal['outer']" cannot be assigned to parameter "map_mode" of type "Literal['zip', 'product']" in function "map"  [reportArgumentType]
# pyrefly  Argument `Literal['outer']` is not assignable to parameter `map_mode` with type `Literal['product', 'zip']` in function `daglite.tasks.BaseTask.map`  [bad-argument-type]
# ty       Argument to bound method `BaseTask.map` is incorrect: Expected `Literal["zip", "product"]`, found `Literal["outer"]`  [invalid-argument-type]
# python   ParameterError: `map_mode` of task 'double' must be 'zip' or 'product'; got 'outer'
