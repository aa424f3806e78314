"""Attempt with an unknown extra."""

from __future__ import annotations

from tests.typing.shop import numbers, scale

numbers.iter(n=3).attempt(scale, fcator=2.0)

# mypy     Unexpected keyword argument "fcator" for "attempt" of "Items"; did you mean "factor"?  [call-arg]
# plugin   Unexpected keyword argument "fcator" for "attempt(scale)"; did you mean "factor"?  [call-arg]
# pyright  Argument missing for parameter "factor"  [reportCallIssue]
# pyright  No parameter named "fcator"  [reportCallIssue]
# pyrefly  No matching overload found for function `daglite.futures.items.Items.attempt` called with arguments: (Task[[x: float, factor: float], float], fcator=float)  [no-matching-overload]
# ty       No overload of bound method `Items.attempt` matches arguments  [no-matching-overload]
# python   ParameterError: task 'scale' has no parameter 'fcator'; it takes 'x', 'factor'; did you mean 'factor'?
