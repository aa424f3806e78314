"""Reduce with a combine of a wrong type."""

from __future__ import annotations

from tests.typing.shop import add, numbers


def longer(one: str, other: str) -> str:
    return max(one, other, key=len)


numbers.iter(n=3).reduce(add, initial=0.0, combine=longer)

# mypy     Argument "combine" to "reduce" of "Foldable" has incompatible type "Callable[[str, str], str]"; expected "ReduceStep[float, float] | Callable[[float, float], float] | None"  [arg-type]
# plugin   Argument "combine" to "reduce(add)" has incompatible type "Callable[[str, str], str]"; expected "ReduceStep[float, float] | Callable[[float, float], float] | None"  [arg-type]
# pyright  Argument of type "(one: str, other: str) -> str" cannot be assigned to parameter "combine" of type "CombineStep[A@reduce] | None" in function "reduce"  [reportArgumentType]
# pyrefly  Argument `(one: str, other: str) -> str` is not assignable to parameter `combine` with type `((float, float) -> float) | ReduceStep[float, float] | None` in function `daglite.futures.folds.Foldable.reduce`  [bad-argument-type]
# ty       Argument to bound method `Foldable.reduce` is incorrect: Expected `ReduceStep[float | str, int]`, found `Task[(total: float, item: float), float]`  [invalid-argument-type]
# ty       Argument to bound method `Foldable.reduce` is incorrect: Expected `ReduceStep[float | str, float | str] | ((float | str, float | str, /) -> float | str) | None`, found `def longer(one: str, other: str) -> str`  [invalid-argument-type]
# python   ok
