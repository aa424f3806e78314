"""Reduce with a combine of a wrong type: a task."""

from __future__ import annotations

from tests.typing.shop import add, numbers, upper

numbers.iter(n=3).reduce(add, initial=0.0, combine=upper)

# mypy     Argument "combine" to "reduce" of "Foldable" has incompatible type "Task[[str], str]"; expected "ReduceStep[float, float] | Callable[[float, float], float] | None"  [arg-type]
# plugin   Argument "combine" to "reduce(add)" has incompatible type "Task[[str], str]"; expected "ReduceStep[float, float] | Callable[[float, float], float] | None"  [arg-type]
# pyright  Argument of type "Task[(text: str), str]" cannot be assigned to parameter "combine" of type "CombineStep[A@reduce] | None" in function "reduce"  [reportArgumentType]
# pyrefly  Argument `Task[[text: str], str]` is not assignable to parameter `combine` with type `((float, float) -> float) | ReduceStep[float, float] | None` in function `daglite.futures.folds.Foldable.reduce`  [bad-argument-type]
# ty       Argument to bound method `Foldable.reduce` is incorrect: Expected `ReduceStep[float, float] | ((float, float, /) -> float) | None`, found `Task[(text: str), str]`  [invalid-argument-type]
# python   ParameterError: `combine` needs 2 parameters of task 'upper' that nothing else fills; free: 'text'
