"""Task with a wrong option."""

from __future__ import annotations

from daglite import task

task(retries="2")

# mypy     No overload variant of "task" matches argument type "str"  [call-overload]
# plugin   No overload variant of "task" matches argument type "str"  [call-overload]
# pyright  Argument of type "Literal['2']" cannot be assigned to parameter "retries" of type "int" in function "task"  [reportArgumentType]
# python   ParameterError: `retries` must be a whole number >= 0; got '2'
