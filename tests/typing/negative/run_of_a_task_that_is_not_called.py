"""Run of a task that is not called."""

from __future__ import annotations

from tests.typing.shop import double

double.run()

# mypy     "Task[[int], int]" has no attribute "run"  [attr-defined]
# plugin   "Task[[int], int]" has no attribute "run"  [attr-defined]
# pyright  Cannot access attribute "run" for class "Task[(x: int), int]"  [reportAttributeAccessIssue]
# pyrefly  Object of class `Task` has no attribute `run`  [missing-attribute]
# ty       Object of type `Task[(x: int), int]` has no attribute `run`  [missing-attribute]
# python   AttributeError: `run` belongs to futures; 'double' is a task: call it first, or use `.iter` or `.map`
