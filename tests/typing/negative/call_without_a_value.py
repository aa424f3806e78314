"""Call without a value."""

from __future__ import annotations

from tests.typing.shop import minus

minus(a=1)

# mypy     Missing positional argument "b" in call to "__call__" of "BaseTask"  [call-arg]
# plugin   Missing positional argument "b" in call to "minus"  [call-arg]
# pyright  Argument missing for parameter "b"  [reportCallIssue]
# pyrefly  Missing argument `b` in function `daglite.tasks.BaseTask.__call__`  [missing-argument]
# ty       No argument provided for required parameter `b` of bound method `BaseTask.__call__`  [missing-argument]
# python   ParameterError: task 'minus': missing a required argument: 'b'; it takes 'a', 'b'
