"""Scan with an initial of a wrong type."""

from __future__ import annotations

from tests.typing.shop import add, numbers

numbers.iter(n=3).scan(add, initial="0")

# mypy     Cannot infer value of type parameter "A" of "scan" of "Items"  [misc]
# plugin   Argument "initial" to "scan(add)" has incompatible type "str"; expected "float | Future[float]"  [arg-type]
# pyright  Argument of type "Literal['0']" cannot be assigned to parameter "initial" of type "A@scan" in function "scan"  [reportArgumentType]
# pyrefly  Argument `Literal['0']` is not assignable to parameter `initial` with type `float` in function `daglite.futures.items.Items.scan`  [bad-argument-type]
# ty       Argument to bound method `Items.scan` is incorrect: Expected `ReduceStep[float | Literal["0"], int]`, found `Task[(total: float, item: float), float]`  [invalid-argument-type]
# python   ok
