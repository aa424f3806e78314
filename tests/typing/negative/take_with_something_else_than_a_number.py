"""Take with something else than a number."""

from __future__ import annotations

from tests.typing.shop import numbers

numbers.iter(n=3).take("two")

# mypy     Argument 1 to "take" of "Items" has incompatible type "str"; expected "int"  [arg-type]
# plugin   Argument 1 to "take" of "Items" has incompatible type "str"; expected "int"  [arg-type]
# pyright  Argument of type "Literal['two']" cannot be assigned to parameter "n" of type "int" in function "take"  [reportArgumentType]
# pyrefly  Argument `Literal['two']` is not assignable to parameter `n` with type `int` in function `daglite.futures.items.Items.take`  [bad-argument-type]
# ty       Argument to bound method `Items.take` is incorrect: Expected `int`, found `Literal["two"]`  [invalid-argument-type]
# python   ParameterError: `n` of `take` must be a whole number >= 0; got 'two'
