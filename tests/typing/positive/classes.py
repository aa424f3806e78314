"""Classes."""

from __future__ import annotations

from typing import assert_type

from daglite import MapTaskFuture, TaskFuture, task
from tests.typing.shop import numbers


class Point:
    def __init__(self, x: int, y: int = 0) -> None:
        self.x = x


assert_type(task(Point)(x=1), TaskFuture[Point])
assert_type(numbers.iter(n=3).then(task(Point), y=2), MapTaskFuture[Point])

# mypy     ok
# plugin   ok
# pyright  ok
# pyrefly  ok
# ty       ok
# python   ok
