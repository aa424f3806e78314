"""Reduce of items of a wrong type."""

from __future__ import annotations

from tests.typing.shop import add, words

words.iter(text="a b").reduce(add, initial=0.0)

# mypy     Argument 1 to "reduce" of "Foldable" has incompatible type "Task[[float, float], float]"; expected "ReduceStep[float, str]"  [arg-type]
# plugin   "reduce" gives items of "str" to parameter "item" of task "add", which takes "float"  [arg-type]
# pyright  Argument of type "Task[(total: float, item: float), float]" cannot be assigned to parameter "task" of type "ReduceStep[A@reduce, str]" in function "reduce"  [reportArgumentType]
# pyrefly  Argument `Task[[total: float, item: float], float]` is not assignable to parameter `task` with type `ReduceStep[float, str]` in function `daglite.futures.folds.Foldable.reduce`  [bad-argument-type]
# ty       Argument to bound method `Foldable.reduce` is incorrect: Expected `ReduceStep[float*, str]`, found `Task[(total: float, item: float), float]`  [invalid-argument-type]
# python   ok
