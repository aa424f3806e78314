"""Join of a single value."""

from __future__ import annotations

from tests.typing.shop import count, total

count().join(total)

# mypy     "TaskFuture[int]" has no attribute "join"  [attr-defined]
# plugin   "TaskFuture[int]" has no attribute "join"  [attr-defined]
# pyright  Cannot access attribute "join" for class "TaskFuture[int]"  [reportAttributeAccessIssue]
# pyrefly  Object of class `TaskFuture` has no attribute `join`  [missing-attribute]
# ty       Object of type `TaskFuture[int]` has no attribute `join`  [missing-attribute]
# python   AttributeError: `join` belongs to streams; TaskFuture(count) is one value: a stream is what `.iter(...)` of a generator task gives, and `.map(...)` of any task
