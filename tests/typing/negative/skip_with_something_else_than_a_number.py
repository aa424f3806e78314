"""Skip with something else than a number."""

from __future__ import annotations

from tests.typing.shop import numbers

numbers.iter(n=3).skip(None)

# mypy     Argument 1 to "skip" of "Items" has incompatible type "None"; expected "int"  [arg-type]
# plugin   Argument 1 to "skip" of "Items" has incompatible type "None"; expected "int"  [arg-type]
# pyright  Argument of type "None" cannot be assigned to parameter "n" of type "int" in function "skip"  [reportArgumentType]
# pyrefly  Argument `None` is not assignable to parameter `n` with type `int` in function `daglite.futures.items.Items.skip`  [bad-argument-type]
# ty       Argument to bound method `Items.skip` is incorrect: Expected `int`, found `None`  [invalid-argument-type]
# python   ParameterError: `n` of `skip` must be a whole number >= 0; got None
