"""Iter without a value."""

from __future__ import annotations

from tests.typing.shop import numbers

numbers.iter()

# mypy     Missing positional argument "n" in call to "iter" of "StreamTask"  [call-arg]
# plugin   Missing positional argument "n" in call to "numbers.iter"  [call-arg]
# pyright  Argument missing for parameter "n"  [reportCallIssue]
# python   ParameterError: task 'numbers': missing a required argument: 'n'; it takes 'n'
