"""Take_while with an unknown extra."""

from __future__ import annotations

from tests.typing.shop import large, numbers

numbers.iter(n=3).take_while(large, most=2.0)

# mypy     Unexpected keyword argument "most" for "take_while" of "Items"  [call-arg]
# plugin   Unexpected keyword argument "most" for "take_while(large)"  [call-arg]
# pyright  No parameter named "most"  [reportCallIssue]
# pyrefly  Unexpected keyword argument `most` in function `daglite.futures.items.Items.take_while`  [unexpected-keyword]
# ty       Argument `most` does not match any known parameter of bound method `Items.take_while`  [unknown-argument]
# python   ParameterError: task 'large' has no parameter 'most'; it takes 'x', 'least'
