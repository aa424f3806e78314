"""Call without a value: none at all."""

from __future__ import annotations

from tests.typing.shop import double

double()

# mypy     Missing positional argument "x" in call to "__call__" of "BaseTask"  [call-arg]
# plugin   Missing positional argument "x" in call to "double"  [call-arg]
# pyright  Argument missing for parameter "x"  [reportCallIssue]
# pyrefly  Missing argument `x` in function `daglite.tasks.BaseTask.__call__`  [missing-argument]
# ty       No argument provided for required parameter `x` of bound method `BaseTask.__call__`  [missing-argument]
# python   ParameterError: task 'double': missing a required argument: 'x'; it takes 'x'
