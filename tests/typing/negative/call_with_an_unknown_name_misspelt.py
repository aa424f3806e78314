"""Call with an unknown name: misspelt."""

from __future__ import annotations

from tests.typing.shop import scale

scale(x=1.0, fcator=2.0)

# mypy     Unexpected keyword argument "fcator" for "__call__" of "BaseTask"; did you mean "factor"?  [call-arg]
# plugin   Unexpected keyword argument "fcator" for "scale"; did you mean "factor"?  [call-arg]
# pyright  Argument missing for parameter "factor"  [reportCallIssue]
# pyright  No parameter named "fcator"  [reportCallIssue]
# python   ParameterError: task 'scale' has no parameter 'fcator'; it takes 'x', 'factor'; did you mean 'factor'?
