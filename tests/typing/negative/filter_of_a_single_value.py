"""Filter of a single value."""

from __future__ import annotations

from tests.typing.shop import double, large

double(x=1).filter(large)

# mypy     "TaskFuture[int]" has no attribute "filter"  [attr-defined]
# plugin   "TaskFuture[int]" has no attribute "filter"  [attr-defined]
# pyright  Cannot access attribute "filter" for class "TaskFuture[int]"  [reportAttributeAccessIssue]
# pyrefly  Object of class `TaskFuture` has no attribute `filter`  [missing-attribute]
# ty       Object of type `TaskFuture[int]` has no attribute `filter`  [missing-attribute]
# python   AttributeError: `filter` belongs to streams; TaskFuture(double) is one value: a stream is what `.iter(...)` of a generator task gives, and `.map(...)` of any task
