"""Future passed on as a wrong future."""

from __future__ import annotations

from daglite import TaskFuture
from tests.typing.shop import double

future: TaskFuture[str] = double(x=1)

# mypy     Incompatible types in assignment (expression has type "TaskFuture[int]", variable has type "TaskFuture[str]")  [assignment]
# plugin   Incompatible types in assignment (expression has type "TaskFuture[int]", variable has type "TaskFuture[str]")  [assignment]
# pyright  Type "TaskFuture[int]" is not assignable to declared type "TaskFuture[str]"  [reportAssignmentType]
# pyrefly  `TaskFuture[int]` is not assignable to `TaskFuture[str]`  [bad-assignment]
# ty       Object of type `TaskFuture[int]` is not assignable to `TaskFuture[str]`  [invalid-assignment]
# python   ok
