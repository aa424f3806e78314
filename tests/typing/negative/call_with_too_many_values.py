"""Call with too many values."""

from __future__ import annotations

from tests.typing.shop import double

double(1, 2)

# mypy     Too many arguments for "__call__" of "BaseTask"  [call-arg]
# plugin   Too many arguments for "double"  [call-arg]
# pyright  Expected 1 positional argument  [reportCallIssue]
# python   ParameterError: task 'double': too many positional arguments; it takes 'x'
