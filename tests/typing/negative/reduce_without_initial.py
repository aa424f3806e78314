"""Reduce without initial."""

from __future__ import annotations

from tests.typing.shop import add, numbers

numbers.iter(n=3).reduce(add)

# mypy     Missing named argument "initial" for "reduce" of "Foldable"  [call-arg]
# plugin   Missing named argument "initial" for "reduce(add)"  [call-arg]
# pyright  Argument missing for parameter "initial"  [reportCallIssue]
# pyrefly  Missing argument `initial` in function `daglite.futures.folds.Foldable.reduce`  [missing-argument]
# ty       No argument provided for required parameter `initial` of bound method `Foldable.reduce`  [missing-argument]
# python   ParameterError: `reduce` needs `initial`; got none for task 'add': write .reduce(add, initial=...), the accumulator before the first item
