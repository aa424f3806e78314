"""Window with something else than a number."""

from __future__ import annotations

from tests.typing.shop import numbers

numbers.iter(n=3).window(2, step="two")

# mypy     Argument "step" to "window" of "Items" has incompatible type "str"; expected "int"  [arg-type]
# plugin   Argument "step" to "window" of "Items" has incompatible type "str"; expected "int"  [arg-type]
# pyright  Argument of type "Literal['two']" cannot be assigned to parameter "step" of type "int" in function "window"  [reportArgumentType]
# pyrefly  Argument `Literal['two']` is not assignable to parameter `step` with type `int` in function `daglite.futures.items.Items.window`  [bad-argument-type]
# ty       Argument to bound method `Items.window` is incorrect: Expected `int`, found `Literal["two"]`  [invalid-argument-type]
# python   ParameterError: `step` of `window` must be a whole number >= 1; got 'two'
