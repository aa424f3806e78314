"""Task of something else."""

from __future__ import annotations

from daglite import task

task(3)

# mypy     No overload variant of "task" matches argument type "int"  [call-overload]
# plugin   No overload variant of "task" matches argument type "int"  [call-overload]
# pyright  No overloads for "task" match the provided arguments  [reportCallIssue]
# pyright  Argument of type "Literal[3]" cannot be assigned to parameter "fn" of type "(**P@task) -> R@task" in function "task"  [reportArgumentType]
# pyrefly  No matching overload found for function `daglite.tasks.task` called with arguments: (Literal[3])  [no-matching-overload]
# ty       No overload of function `task` matches arguments  [no-matching-overload]
# python   TaskError: `task` needs a function; got 3
