"""Async tasks."""

from __future__ import annotations

from typing import assert_type

from daglite import MapTaskFuture, TaskFuture
from tests.typing.shop import later, ticks, upper

assert_type(ticks.iter(n=2).then(later).then(upper), MapTaskFuture[str])
assert_type(later(x=1).run(runtime="inline"), str)
assert_type(ticks(n=2), TaskFuture[list[int]])

# mypy     ok
# plugin   ok
# pyright  ok
# pyrefly  ok
# ty       ok
# python   ok
