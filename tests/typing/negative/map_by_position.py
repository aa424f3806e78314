"""Map by position."""

from __future__ import annotations

from tests.typing.shop import double

double.map([1, 2])

# mypy     Too many positional arguments for "map" of "BaseTask"  [call-arg]
# mypy     Argument 1 to "map" of "BaseTask" has incompatible type "list[int]"; expected "Literal['zip', 'product']"  [arg-type]
# plugin   Too many positional arguments for "double.map"  [call-arg]
# pyright  Expected 0 positional arguments  [reportCallIssue]
# python   TypeError
