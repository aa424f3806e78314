"""Reduce without initial."""

from __future__ import annotations

from tests.typing.shop import add, numbers

numbers.iter(n=3).reduce(add)

# mypy     Missing named argument "initial" for "reduce" of "Items"  [call-arg]
# plugin   Missing named argument "initial" for "reduce(add)"  [call-arg]
# pyright  Argument missing for parameter "initial"  [reportCallIssue]
# python   TypeError
