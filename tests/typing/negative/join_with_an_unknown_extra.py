"""Join with an unknown extra."""

from __future__ import annotations

from tests.typing.shop import numbers, total

numbers.iter(n=3).join(total, start=1)

# mypy     Unexpected keyword argument "start" for "join" of "Items"  [call-arg]
# plugin   Unexpected keyword argument "start" for "join(total)"  [call-arg]
# pyright  No parameter named "start"  [reportCallIssue]
# pyrefly  Unexpected keyword argument `start` in function `daglite.futures.items.Items.join`  [unexpected-keyword]
# ty       Argument `start` does not match any known parameter of bound method `Items.join`  [unknown-argument]
# python   ParameterError: task 'total' has no parameter 'start'; it takes 'values'
