"""Reduce with an unknown option."""

from __future__ import annotations

from tests.typing.shop import add, numbers

numbers.iter(n=3).reduce(add, initial=0.0, order=False)

# mypy     Unexpected keyword argument "order" for "reduce" of "Foldable"; did you mean "ordered"?  [call-arg]
# plugin   Unexpected keyword argument "order" for "reduce(add)"; did you mean "ordered"?  [call-arg]
# pyright  No parameter named "order"  [reportCallIssue]
# pyrefly  Unexpected keyword argument `order` in function `daglite.futures.folds.Foldable.reduce`  [unexpected-keyword]
# ty       Argument `order` does not match any known parameter of bound method `Foldable.reduce`  [unknown-argument]
# python   ParameterError: `reduce` with task 'add' has no 'order'; it takes 'initial', 'ordered', 'combine', 'empty'; did you mean 'ordered'?
