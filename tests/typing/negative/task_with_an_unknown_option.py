"""Task with an unknown option."""

from __future__ import annotations

from daglite import task

task(retry=1)

# mypy     Unexpected keyword argument "retry" for overloaded function "task"  [call-overload]
# plugin   Unexpected keyword argument "retry" for overloaded function "task"  [call-overload]
# pyright  No overloads for "task" match the provided arguments  [reportCallIssue]
# pyrefly  Unexpected keyword argument `retry` in function `daglite.tasks.task`  [unexpected-keyword]
# ty       ok
# python   ParameterError: tasks have no option 'retry'; known: name, retries, timeout, retry_on_crash, on_error, on, workers; did you mean 'retries'?
# why      ty: it does not see unknown names among `**options: Unpack[...]`
