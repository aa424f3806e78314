"""Reduce with an initial of a wrong type: None."""

from __future__ import annotations

from tests.typing.shop import add, numbers

numbers.iter(n=3).reduce(add, initial=None)

# mypy     Cannot infer value of type parameter "A" of "reduce" of "Items"  [misc]
# plugin   Argument "initial" to "reduce(add)" has incompatible type "None"; expected "float | Future[float]"  [arg-type]
# pyright  Argument of type "None" cannot be assigned to parameter "initial" of type "A@reduce" in function "reduce"  [reportArgumentType]
# python   ok
