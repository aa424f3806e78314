"""Call with an unknown name."""

from __future__ import annotations

from tests.typing.shop import double

double(y=1)

# mypy     Unexpected keyword argument "y" for "__call__" of "BaseTask"  [call-arg]
# plugin   Unexpected keyword argument "y" for "double"  [call-arg]
# pyright  Argument missing for parameter "x"  [reportCallIssue]
# pyright  No parameter named "y"  [reportCallIssue]
# pyrefly  Missing argument `x` in function `daglite.tasks.BaseTask.__call__`  [missing-argument]
# pyrefly  Unexpected keyword argument `y` in function `daglite.tasks.BaseTask.__call__`  [unexpected-keyword]
# ty       No argument provided for required parameter `x` of bound method `BaseTask.__call__`  [missing-argument]
# ty       Argument `y` does not match any known parameter of bound method `BaseTask.__call__`  [unknown-argument]
# python   ParameterError: task 'double' has no parameter 'y'; it takes 'x'
