"""Chain with an unknown extra."""

from __future__ import annotations

from tests.typing.shop import numbers, scale

numbers.iter(n=3).then(scale, fcator=2.0)

# mypy     Unexpected keyword argument "fcator" for "then" of "Items"; did you mean "factor"?  [call-arg]
# plugin   Unexpected keyword argument "fcator" for "then(scale)"; did you mean "factor"?  [call-arg]
# pyright  Argument missing for parameter "factor"  [reportCallIssue]
# pyright  No parameter named "fcator"  [reportCallIssue]
# python   ParameterError: task 'scale' has no parameter 'fcator'; it takes 'x', 'factor'; did you mean 'factor'?
