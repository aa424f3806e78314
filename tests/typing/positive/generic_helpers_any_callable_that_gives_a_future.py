"""Generic helpers: any callable that gives a future."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar, assert_type

from daglite import IterFuture, MapTaskFuture, TaskFuture
from tests.typing.shop import double, numbers, total

X = TypeVar("X")
Y = TypeVar("Y")


def applied(stream: IterFuture[X], step: Callable[[X], TaskFuture[Y]]) -> MapTaskFuture[Y]:
    return stream.then(step)


def joined(stream: MapTaskFuture[X], step: Callable[[list[X]], TaskFuture[Y]]) -> TaskFuture[Y]:
    return stream.join(step)


assert_type(joined(applied(numbers.iter(n=3), double), total), TaskFuture[int])

# mypy     ok
# plugin   ok
# pyright  ok
# pyrefly  ok
# ty       ok
# python   ok
