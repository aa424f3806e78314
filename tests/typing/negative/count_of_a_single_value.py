"""Count of a single value."""

from __future__ import annotations

from tests.typing.shop import double

double(x=1).count()

# mypy     "TaskFuture[int]" has no attribute "count"  [attr-defined]
# plugin   "TaskFuture[int]" has no attribute "count"  [attr-defined]
# pyright  Cannot access attribute "count" for class "TaskFuture[int]"  [reportAttributeAccessIssue]
# pyrefly  Object of class `TaskFuture` has no attribute `count`  [missing-attribute]
# ty       Object of type `TaskFuture[int]` has no attribute `count`  [missing-attribute]
# python   AttributeError: `count` belongs to streams; TaskFuture(double) is one value: a stream is what `.iter(...)` of a generator task gives, and `.map(...)` of any task
