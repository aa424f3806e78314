"""Chain with an unknown extra."""

from __future__ import annotations

from tests.typing.shop import numbers, scale

numbers.iter(n=3).then(scale, fcator=2.0)

# mypy     Unexpected keyword argument "fcator" for "then" of "Items"; did you mean "factor"?  [call-arg]
# plugin   Unexpected keyword argument "fcator" for "then(scale)"; did you mean "factor"?  [call-arg]
# pyright  Argument missing for parameter "factor"  [reportCallIssue]
# pyright  No parameter named "fcator"  [reportCallIssue]
# pyrefly  Missing argument `factor` in function `daglite.futures.items.Items.then`  [missing-argument]
# pyrefly  Unexpected keyword argument `fcator` in function `daglite.futures.items.Items.then`  [unexpected-keyword]
# ty       No argument provided for required parameter `factor` of bound method `Items.then`  [missing-argument]
# ty       Argument `fcator` does not match any known parameter of bound method `Items.then`  [unknown-argument]
# python   ParameterError: task 'scale' has no parameter 'fcator'; it takes 'x', 'factor'; did you mean 'factor'?
