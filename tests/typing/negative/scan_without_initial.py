"""Scan without initial."""

from __future__ import annotations

from tests.typing.shop import add, numbers

numbers.iter(n=3).scan(add)

# mypy     Missing named argument "initial" for "scan" of "Items"  [call-arg]
# plugin   Missing named argument "initial" for "scan(add)"  [call-arg]
# pyright  Argument missing for parameter "initial"  [reportCallIssue]
# pyrefly  Missing argument `initial` in function `daglite.futures.items.Items.scan`  [missing-argument]
# ty       No argument provided for required parameter `initial` of bound method `Items.scan`  [missing-argument]
# python   ParameterError: `scan` needs `initial`; got none for task 'add': write .scan(add, initial=...), the accumulator before the first item
