"""Chain with too many extras."""

from __future__ import annotations

from tests.typing.shop import double, numbers

numbers.iter(n=3).then(double, 1)

# mypy     Too many arguments for "then" of "Items"  [call-arg]
# plugin   Too many arguments for "then(double)"  [call-arg]
# pyright  Expected 0 positional arguments  [reportCallIssue]
# pyrefly  Expected 1 positional argument, got 2 in function `daglite.futures.items.Items.then`  [bad-argument-count]
# ty       Too many positional arguments to bound method `Items.then`: expected 0, got 1  [too-many-positional-arguments]
# python   ParameterError: `then` got 1 extra values for task 'double', which has room for 0
