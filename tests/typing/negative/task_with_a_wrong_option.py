"""Task with a wrong option."""

from __future__ import annotations

from daglite import task

task(retries="2")

# mypy     No overload variant of "task" matches argument type "str"  [call-overload]
# plugin   No overload variant of "task" matches argument type "str"  [call-overload]
# pyright  Argument of type "Literal['2']" cannot be assigned to parameter "retries" of type "int | Retry" in function "task"  [reportArgumentType]
# pyrefly  Argument `Literal['2']` is not assignable to parameter `retries` with type `Retry | int` in function `daglite.tasks.task`  [bad-argument-type]
# ty       Argument to function `task` is incorrect: Expected `int | Retry`, found `Literal["2"]`  [invalid-argument-type]
# python   ParameterError: `retries` must be a whole number >= 0 or a `daglite.Retry`; got '2'
