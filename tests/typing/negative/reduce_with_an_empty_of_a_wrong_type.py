"""Reduce with an empty of a wrong type."""

from __future__ import annotations

from tests.typing.shop import add, numbers

numbers.iter(n=3).reduce(add, initial=7.0, combine=add, empty="0")

# mypy     Cannot infer value of type parameter "A" of "reduce" of "Foldable"  [misc]
# plugin   Argument "empty" to "reduce(add)" has incompatible type "str"; expected "float | Future[float] | Missing"  [arg-type]
# pyright  Argument of type "Literal['0']" cannot be assigned to parameter "empty" of type "A@reduce | Missing" in function "reduce"  [reportArgumentType]
# pyrefly  Argument `Literal['0']` is not assignable to parameter `empty` with type `Missing | float` in function `daglite.futures.folds.Foldable.reduce`  [bad-argument-type]
# ty       Argument to bound method `Foldable.reduce` is incorrect: Expected `ReduceStep[float | Literal["0"], int]`, found `Task[(total: float, item: float), float]`  [invalid-argument-type]
# ty       Argument to bound method `Foldable.reduce` is incorrect: Expected `ReduceStep[float | Literal["0"], float | Literal["0"]] | ((float | Literal["0"], float | Literal["0"], /) -> float | Literal["0"]) | None`, found `Task[(total: float, item: float), float]`  [invalid-argument-type]
# python   ok
