"""Iter without a value."""

from __future__ import annotations

from tests.typing.shop import numbers

numbers.iter()

# mypy     Missing positional argument "n" in call to "iter" of "StreamTask"  [call-arg]
# plugin   Missing positional argument "n" in call to "numbers.iter"  [call-arg]
# pyright  Argument missing for parameter "n"  [reportCallIssue]
# pyrefly  Missing argument `n` in function `daglite.tasks.StreamTask.iter`  [missing-argument]
# ty       No argument provided for required parameter `n` of bound method `StreamTask.iter`  [missing-argument]
# python   ParameterError: task 'numbers': missing a required argument: 'n'; it takes 'n'
