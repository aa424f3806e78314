"""Reduce with a result that is no accumulator."""

from __future__ import annotations

from daglite import task
from tests.typing.shop import numbers


@task
def shown(total: int, item: int) -> str:
    return str(total + item)


numbers.iter(n=3).reduce(shown, initial=0)

# mypy     Cannot infer value of type parameter "A" of "reduce" of "Foldable"  [misc]
# plugin   "reduce" gives what task "shown" returns back to its accumulator: it returns "str", and "total" takes "int"  [arg-type]
# pyright  Argument of type "Task[(total: int, item: int), str]" cannot be assigned to parameter "task" of type "ReduceStep[A@reduce, int]" in function "reduce"  [reportArgumentType]
# pyrefly  Argument `Task[[total: int, item: int], str]` is not assignable to parameter `task` with type `ReduceStep[int, int]` in function `daglite.futures.folds.Foldable.reduce`  [bad-argument-type]
# ty       Argument to bound method `Foldable.reduce` is incorrect: Expected `ReduceStep[Literal[0], int]`, found `Task[(total: int, item: int), str]`  [invalid-argument-type]
# python   ok
