"""Scan of a single value."""

from __future__ import annotations

from tests.typing.shop import add, count

count().scan(add, initial=0.0)

# mypy     "TaskFuture[int]" has no attribute "scan"  [attr-defined]
# plugin   "TaskFuture[int]" has no attribute "scan"  [attr-defined]
# pyright  Cannot access attribute "scan" for class "TaskFuture[int]"  [reportAttributeAccessIssue]
# pyrefly  Object of class `TaskFuture` has no attribute `scan`  [missing-attribute]
# ty       Object of type `TaskFuture[int]` has no attribute `scan`  [missing-attribute]
# python   AttributeError: `scan` belongs to streams; TaskFuture(count) is one value: a stream is what `.iter(...)` of a generator task gives, and `.map(...)` of any task
