"""Future passed on as a wrong future: stream for a value."""

from __future__ import annotations

from daglite import TaskFuture
from tests.typing.shop import numbers

future: TaskFuture[int] = numbers.iter(n=3)

# mypy     Incompatible types in assignment (expression has type "IterFuture[int]", variable has type "TaskFuture[int]")  [assignment]
# plugin   Incompatible types in assignment (expression has type "IterFuture[int]", variable has type "TaskFuture[int]")  [assignment]
# pyright  Type "IterFuture[int]" is not assignable to declared type "TaskFuture[int]"  [reportAssignmentType]
# pyrefly  `IterFuture[int]` is not assignable to `TaskFuture[int]`  [bad-assignment]
# ty       Object of type `IterFuture[int]` is not assignable to `TaskFuture[int]`  [invalid-assignment]
# python   ok
