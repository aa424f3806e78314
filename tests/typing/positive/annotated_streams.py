"""Annotated streams."""

from __future__ import annotations

from typing import assert_type

from daglite import IterFuture, MapTaskFuture, Task
from tests.typing.shop import double, numbers

stream: IterFuture[int] = numbers.iter(n=3)
step: Task[[int], int] = double
assert_type(stream.then(step).then(step), MapTaskFuture[int])

# mypy     ok
# plugin   ok
# pyright  ok
# python   ok
