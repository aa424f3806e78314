"""Chain with an unknown extra: beside a default."""

from __future__ import annotations

from tests.typing.shop import label, numbers

numbers.iter(n=3).then(label, prefx="a")

# mypy     Unexpected keyword argument "prefx" for "then" of "Items"; did you mean "prefix"?  [call-arg]
# plugin   Unexpected keyword argument "prefx" for "then(label)"; did you mean "prefix"?  [call-arg]
# pyright  No parameter named "prefx"  [reportCallIssue]
# pyrefly  Unexpected keyword argument `prefx` in function `daglite.futures.items.Items.then`  [unexpected-keyword]
# ty       Argument `prefx` does not match any known parameter of bound method `Items.then`  [unknown-argument]
# python   ParameterError: task 'label' has no parameter 'prefx'; it takes 'value', 'prefix'; did you mean 'prefix'?
