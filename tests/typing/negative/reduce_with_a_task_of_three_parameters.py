"""Reduce with a task of three parameters."""

from __future__ import annotations

from daglite import task
from tests.typing.shop import numbers


@task
def weighted(total: float, item: float, weight: float) -> float:
    return total + item * weight


numbers.iter(n=3).reduce(weighted, initial=0.0)

# mypy     Argument 1 to "reduce" of "Foldable" has incompatible type "Task[[float, float, float], float]"; expected "ReduceStep[float, int]"  [arg-type]
# plugin   "reduce" leaves "weight" of task "weighted" without a value; fix it with ".partial"  [call-arg]
# pyright  Argument of type "Task[(total: float, item: float, weight: float), float]" cannot be assigned to parameter "task" of type "ReduceStep[A@reduce, int]" in function "reduce"  [reportArgumentType]
# pyrefly  Argument `Task[[total: float, item: float, weight: float], float]` is not assignable to parameter `task` with type `ReduceStep[float, int]` in function `daglite.futures.folds.Foldable.reduce`  [bad-argument-type]
# ty       Argument to bound method `Foldable.reduce` is incorrect: Expected `ReduceStep[float*, int]`, found `Task[(total: float, item: float, weight: float), float]`  [invalid-argument-type]
# python   ParameterError: `reduce` of task 'weighted' leaves 'weight' without a value; fix it with `.partial`
