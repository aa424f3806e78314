"""Maps: by a mapping."""

from __future__ import annotations

from typing import assert_type

from daglite import MapTaskFuture
from tests.typing.shop import scale

assert_type(scale.map(**{"x": [1.0], "factor": [2.0]}), MapTaskFuture[float])

# mypy     Argument 1 to "map" of "BaseTask" has incompatible type "**dict[str, list[float]]"; expected "Literal['zip', 'product']"  [arg-type]
# plugin   ok
# pyright  Argument of type "list[float]" cannot be assigned to parameter "map_mode" of type "Literal['zip', 'product']" in function "map"  [reportArgumentType]
# pyrefly  ok
# ty       ok
# python   ok
# why      mypy, pyright: to plain types a `**mapping` may hold `map_mode`
