"""Chain on a task that is not called."""

from __future__ import annotations

from tests.typing.shop import double, upper

double.then(upper)

# mypy     "Task[[int], int]" has no attribute "then"  [attr-defined]
# plugin   "Task[[int], int]" has no attribute "then"  [attr-defined]
# pyright  Cannot access attribute "then" for class "Task[(x: int), int]"  [reportAttributeAccessIssue]
# pyrefly  Object of class `Task` has no attribute `then`  [missing-attribute]
# ty       Object of type `Task[(x: int), int]` has no attribute `then`  [missing-attribute]
# python   AttributeError: `then` belongs to futures; 'double' is a task: call it first, or use `.iter` or `.map`
