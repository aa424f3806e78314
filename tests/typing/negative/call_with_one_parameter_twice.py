"""Call with one parameter twice."""

from __future__ import annotations

from tests.typing.shop import double

double(1, x=2)

# mypy     "__call__" of "BaseTask" gets multiple values for keyword argument "x"  [misc]
# plugin   "double" gets multiple values for keyword argument "x"  [misc]
# pyright  Parameter "x" is already assigned  [reportCallIssue]
# pyrefly  Multiple values for argument `x` in function `daglite.tasks.BaseTask.__call__`  [bad-keyword-argument]
# ty       Multiple values provided for parameter `x` of bound method `BaseTask.__call__`  [parameter-already-assigned]
# python   ParameterError: task 'double': multiple values for argument 'x'; it takes 'x'
