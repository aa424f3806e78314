"""Call without a value."""

from __future__ import annotations

from tests.typing.shop import minus

minus(a=1)

# mypy     Missing positional argument "b" in call to "__call__" of "BaseTask"  [call-arg]
# plugin   Missing positional argument "b" in call to "minus"  [call-arg]
# pyright  Argument missing for parameter "b"  [reportCallIssue]
# python   ParameterError: task 'minus': missing a required argument: 'b'; it takes 'a', 'b'
