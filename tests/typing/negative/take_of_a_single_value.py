"""Take of a single value."""

from __future__ import annotations

from tests.typing.shop import double

double(x=1).take(1)

# mypy     "TaskFuture[int]" has no attribute "take"  [attr-defined]
# plugin   "TaskFuture[int]" has no attribute "take"  [attr-defined]
# pyright  Cannot access attribute "take" for class "TaskFuture[int]"  [reportAttributeAccessIssue]
# pyrefly  Object of class `TaskFuture` has no attribute `take`  [missing-attribute]
# ty       Object of type `TaskFuture[int]` has no attribute `take`  [missing-attribute]
# python   AttributeError: `take` belongs to streams; TaskFuture(double) is one value: a stream is what `.iter(...)` of a generator task gives, and `.map(...)` of any task
