"""Iter of a task that is no generator."""

from __future__ import annotations

from tests.typing.shop import double

double.iter(x=1)

# mypy     "Task[[int], int]" has no attribute "iter"  [attr-defined]
# plugin   "Task[[int], int]" has no attribute "iter"  [attr-defined]
# pyright  Cannot access attribute "iter" for class "Task[(x: int), int]"  [reportAttributeAccessIssue]
# pyrefly  Object of class `Task` has no attribute `iter`  [missing-attribute]
# ty       Object of type `Task[(x: int), int]` has no attribute `iter`  [missing-attribute]
# python   TaskError: `iter` needs a generator; task 'double' is not a generator function: use `yield` in it and annotate it `-> Iterator[T]`
