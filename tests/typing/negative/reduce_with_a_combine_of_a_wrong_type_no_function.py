"""Reduce with a combine of a wrong type: no function."""

from __future__ import annotations

from tests.typing.shop import add, numbers

numbers.iter(n=3).reduce(add, initial=0.0, combine="sum")

# mypy     Argument "combine" to "reduce" of "Foldable" has incompatible type "str"; expected "ReduceStep[float, float] | Callable[[float, float], float] | None"  [arg-type]
# plugin   Argument "combine" to "reduce(add)" has incompatible type "str"; expected "ReduceStep[float, float] | Callable[[float, float], float] | None"  [arg-type]
# pyright  Argument of type "Literal['sum']" cannot be assigned to parameter "combine" of type "CombineStep[A@reduce] | None" in function "reduce"  [reportArgumentType]
# pyrefly  Argument `Literal['sum']` is not assignable to parameter `combine` with type `((float, float) -> float) | ReduceStep[float, float] | None` in function `daglite.futures.folds.Foldable.reduce`  [bad-argument-type]
# ty       Argument to bound method `Foldable.reduce` is incorrect: Expected `ReduceStep[float, float] | ((float, float, /) -> float) | None`, found `Literal["sum"]`  [invalid-argument-type]
# python   ParameterError: `combine` of `reduce` with task 'add' must be a task or a function of two accumulators; got 'sum'
