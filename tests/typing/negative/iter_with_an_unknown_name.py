"""Iter with an unknown name."""

from __future__ import annotations

from tests.typing.shop import numbers

numbers.iter(m=3)

# mypy     Unexpected keyword argument "m" for "iter" of "StreamTask"  [call-arg]
# plugin   Unexpected keyword argument "m" for "numbers.iter"  [call-arg]
# pyright  Argument missing for parameter "n"  [reportCallIssue]
# pyright  No parameter named "m"  [reportCallIssue]
# pyrefly  Missing argument `n` in function `daglite.tasks.StreamTask.iter`  [missing-argument]
# pyrefly  Unexpected keyword argument `m` in function `daglite.tasks.StreamTask.iter`  [unexpected-keyword]
# ty       No argument provided for required parameter `n` of bound method `StreamTask.iter`  [missing-argument]
# ty       Argument `m` does not match any known parameter of bound method `StreamTask.iter`  [unknown-argument]
# python   ParameterError: task 'numbers' has no parameter 'm'; it takes 'n'
