"""Reduce with a task of one parameter."""

from __future__ import annotations

from tests.typing.shop import double, numbers

numbers.iter(n=3).reduce(double, initial=0)

# mypy     Argument 1 to "reduce" of "Foldable" has incompatible type "Task[[int], int]"; expected "ReduceStep[int, int]"  [arg-type]
# plugin   "reduce" needs two free parameters of task "double", the accumulator and the item; it has "x"  [call-arg]
# pyright  Argument of type "Task[(x: int), int]" cannot be assigned to parameter "task" of type "ReduceStep[A@reduce, int]" in function "reduce"  [reportArgumentType]
# pyrefly  Argument `Task[[x: int], int]` is not assignable to parameter `task` with type `ReduceStep[int, int]` in function `daglite.futures.folds.Foldable.reduce`  [bad-argument-type]
# ty       Argument to bound method `Foldable.reduce` is incorrect: Expected `ReduceStep[Literal[0], int]`, found `Task[(x: int), int]`  [invalid-argument-type]
# python   ParameterError: `reduce` needs 2 parameters of task 'double' that nothing else fills; free: 'x'
