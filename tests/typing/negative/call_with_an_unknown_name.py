"""Call with an unknown name."""

from __future__ import annotations

from tests.typing.shop import double

double(y=1)

# mypy     Unexpected keyword argument "y" for "__call__" of "BaseTask"  [call-arg]
# plugin   Unexpected keyword argument "y" for "double"  [call-arg]
# pyright  Argument missing for parameter "x"  [reportCallIssue]
# pyright  No parameter named "y"  [reportCallIssue]
# python   ParameterError: task 'double' has no parameter 'y'; it takes 'x'
