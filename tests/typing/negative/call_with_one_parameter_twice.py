"""Call with one parameter twice."""

from __future__ import annotations

from tests.typing.shop import double

double(1, x=2)

# mypy     "__call__" of "BaseTask" gets multiple values for keyword argument "x"  [misc]
# plugin   "double" gets multiple values for keyword argument "x"  [misc]
# pyright  Parameter "x" is already assigned  [reportCallIssue]
# python   ParameterError: task 'double': multiple values for argument 'x'; it takes 'x'
