"""Task in an unknown place."""

from __future__ import annotations

from daglite import task

task(on="thread")

# mypy     No overload variant of "task" matches argument type "str"  [call-overload]
# plugin   No overload variant of "task" matches argument type "str"  [call-overload]
# pyright  Argument of type "Literal['thread']" cannot be assigned to parameter "on" of type "On | None" in function "task"  [reportArgumentType]
# pyrefly  Argument `Literal['thread']` is not assignable to parameter `on` with type `Literal['coordinator', 'processes', 'threads'] | None` in function `daglite.tasks.task`  [bad-argument-type]
# ty       Argument to function `task` is incorrect: Expected `Literal["processes", "threads", "coordinator"] | None`, found `Literal["thread"]`  [invalid-argument-type]
# python   ParameterError: `on` must be 'processes', 'threads', 'coordinator' or None; got 'thread'; did you mean 'threads'?
