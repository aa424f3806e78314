"""Call with an unknown name: misspelt."""

from __future__ import annotations

from tests.typing.shop import scale

scale(x=1.0, fcator=2.0)

# mypy     Unexpected keyword argument "fcator" for "__call__" of "BaseTask"; did you mean "factor"?  [call-arg]
# plugin   Unexpected keyword argument "fcator" for "scale"; did you mean "factor"?  [call-arg]
# pyright  Argument missing for parameter "factor"  [reportCallIssue]
# pyright  No parameter named "fcator"  [reportCallIssue]
# pyrefly  Missing argument `factor` in function `daglite.tasks.BaseTask.__call__`  [missing-argument]
# pyrefly  Unexpected keyword argument `fcator` in function `daglite.tasks.BaseTask.__call__`  [unexpected-keyword]
# ty       No argument provided for required parameter `factor` of bound method `BaseTask.__call__`  [missing-argument]
# ty       Argument `fcator` does not match any known parameter of bound method `BaseTask.__call__`  [unknown-argument]
# python   ParameterError: task 'scale' has no parameter 'fcator'; it takes 'x', 'factor'; did you mean 'factor'?
