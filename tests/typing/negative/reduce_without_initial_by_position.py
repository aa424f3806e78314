"""Reduce without initial: by position."""

from __future__ import annotations

from tests.typing.shop import add, numbers

numbers.iter(n=3).reduce(add, 0.0)

# mypy     Too many positional arguments for "reduce" of "Foldable"  [call-arg]
# plugin   Too many positional arguments for "reduce(add)"  [call-arg]
# pyright  Expected 1 positional argument  [reportCallIssue]
# pyrefly  Expected argument `initial` to be passed by name in function `daglite.futures.folds.Foldable.reduce`  [unexpected-positional-argument]
# ty       No argument provided for required parameter `initial` of bound method `Foldable.reduce`  [missing-argument]
# ty       Too many positional arguments to bound method `Foldable.reduce`: expected 2, got 3  [too-many-positional-arguments]
# python   ParameterError: `reduce` with task 'add' takes 'initial', 'ordered', 'combine', 'empty' by name; got 0.0 by position: write initial=...
