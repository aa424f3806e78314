"""Filter with an unknown extra."""

from __future__ import annotations

from tests.typing.shop import large, numbers

numbers.iter(n=3).filter(large, most=1.0)

# mypy     Unexpected keyword argument "most" for "filter" of "Items"  [call-arg]
# plugin   Unexpected keyword argument "most" for "filter(large)"  [call-arg]
# pyright  No parameter named "most"  [reportCallIssue]
# pyrefly  Unexpected keyword argument `most` in function `daglite.futures.items.Items.filter`  [unexpected-keyword]
# ty       Argument `most` does not match any known parameter of bound method `Items.filter`  [unknown-argument]
# python   ParameterError: task 'large' has no parameter 'most'; it takes 'x', 'least'
