"""Reduce of a single value."""

from __future__ import annotations

from tests.typing.shop import add, count

count().reduce(add, initial=0.0)

# mypy     "TaskFuture[int]" has no attribute "reduce"  [attr-defined]
# plugin   "TaskFuture[int]" has no attribute "reduce"  [attr-defined]
# pyright  Cannot access attribute "reduce" for class "TaskFuture[int]"  [reportAttributeAccessIssue]
# pyrefly  Object of class `TaskFuture` has no attribute `reduce`  [missing-attribute]
# ty       Object of type `TaskFuture[int]` has no attribute `reduce`  [missing-attribute]
# python   AttributeError: `reduce` belongs to streams; TaskFuture(count) is one value: a stream is what `.iter(...)` of a generator task gives, and `.map(...)` of any task
