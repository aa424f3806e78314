"""Map by position."""

from __future__ import annotations

from tests.typing.shop import double

double.map([1, 2])

# mypy     Too many positional arguments for "map" of "BaseTask"  [call-arg]
# mypy     Argument 1 to "map" of "BaseTask" has incompatible type "list[int]"; expected "Literal['zip', 'product']"  [arg-type]
# plugin   Too many positional arguments for "double.map"  [call-arg]
# pyright  Expected 0 positional arguments  [reportCallIssue]
# pyrefly  Expected 0 positional arguments, got 1 in function `daglite.tasks.BaseTask.map`  [bad-argument-count]
# ty       Too many positional arguments to bound method `BaseTask.map`: expected 1, got 2  [too-many-positional-arguments]
# python   ParameterError: `map` of task 'double' takes its values by name; got [1, 2] by position: write .map(x=...)
