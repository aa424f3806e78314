"""Chain with an extra given twice."""

from __future__ import annotations

from tests.typing.shop import numbers, scale

numbers.iter(n=3).then(scale, 2.0, factor=2.0)

# mypy     "then" of "Items" gets multiple values for keyword argument "factor"  [misc]
# plugin   "then(scale)" gets multiple values for keyword argument "factor"  [misc]
# pyright  Parameter "factor" is already assigned  [reportCallIssue]
# pyrefly  Multiple values for argument `factor` in function `daglite.futures.items.Items.then`  [bad-keyword-argument]
# ty       Multiple values provided for parameter `factor` of bound method `Items.then`  [parameter-already-assigned]
# python   ParameterError: `then` got 1 extra values for task 'scale', which has room for 0
