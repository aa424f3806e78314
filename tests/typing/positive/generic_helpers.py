"""Generic helpers."""

from __future__ import annotations

from typing import TypeVar, assert_type

from daglite import IterFuture, MapTaskFuture, ReduceFuture, Task
from tests.typing.shop import double, minus, numbers

X = TypeVar("X")
Y = TypeVar("Y")


def applied(stream: IterFuture[X], step: Task[[X], Y]) -> MapTaskFuture[Y]:
    return stream.then(step)


def folded(stream: MapTaskFuture[X], step: Task[[Y, X], Y], start: Y) -> ReduceFuture[Y]:
    return stream.reduce(step, initial=start)


assert_type(folded(applied(numbers.iter(n=3), double), minus, 0), ReduceFuture[int])

# mypy     ok
# plugin   ok
# pyright  ok
# python   ok
