"""Values by star."""

from __future__ import annotations

from typing import assert_type

from daglite import TaskFuture
from tests.typing.shop import minus, scale

pair: tuple[int, int] = (1, 2)
assert_type(minus(*pair), TaskFuture[int])
both: dict[str, float] = {"x": 1.0, "factor": 2.0}
assert_type(scale(**both), TaskFuture[float])

# mypy     ok
# plugin   ok
# pyright  ok
# pyrefly  ok
# ty       ok
# python   ok
