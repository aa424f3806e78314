"""Chain without an extra."""

from __future__ import annotations

from tests.typing.shop import numbers, scale

numbers.iter(n=3).then(scale)

# mypy     Missing positional argument "factor" in call to "then" of "Items"  [call-arg]
# plugin   Missing positional argument "factor" in call to "then(scale)"  [call-arg]
# pyright  Argument missing for parameter "factor"  [reportCallIssue]
# pyrefly  Missing argument `factor` in function `daglite.futures.items.Items.then`  [missing-argument]
# ty       No argument provided for required parameter `factor` of bound method `Items.then`  [missing-argument]
# python   ParameterError: `then` of task 'scale' leaves 'factor' without a value; fix it with `.partial` or give it as an extra
