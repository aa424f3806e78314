"""Call with too many values."""

from __future__ import annotations

from tests.typing.shop import double

double(1, 2)

# mypy     Too many arguments for "__call__" of "BaseTask"  [call-arg]
# plugin   Too many arguments for "double"  [call-arg]
# pyright  Expected 1 positional argument  [reportCallIssue]
# pyrefly  Expected 1 positional argument, got 2 in function `daglite.tasks.BaseTask.__call__`  [bad-argument-count]
# ty       Too many positional arguments to bound method `BaseTask.__call__`: expected 2, got 3  [too-many-positional-arguments]
# python   ParameterError: task 'double': too many positional arguments; it takes 'x'
