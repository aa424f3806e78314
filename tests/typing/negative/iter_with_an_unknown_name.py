"""Iter with an unknown name."""

from __future__ import annotations

from tests.typing.shop import numbers

numbers.iter(m=3)

# mypy     Unexpected keyword argument "m" for "iter" of "StreamTask"  [call-arg]
# plugin   Unexpected keyword argument "m" for "numbers.iter"  [call-arg]
# pyright  Argument missing for parameter "n"  [reportCallIssue]
# pyright  No parameter named "m"  [reportCallIssue]
# python   ParameterError: task 'numbers' has no parameter 'm'; it takes 'n'
