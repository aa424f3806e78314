"""Items of any type."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, assert_type

from daglite import MapTaskFuture, ReduceFuture, TaskFuture, task
from tests.typing.shop import add, double, total


@task
def anything(n: int) -> Iterator[Any]:
    yield n


assert_type(anything.iter(n=1).then(double), MapTaskFuture[int])
assert_type(anything.iter(n=1).reduce(add, initial=0.0), ReduceFuture[float])
assert_type(anything.iter(n=1).join(total), TaskFuture[int])

# mypy     ok
# plugin   ok
# pyright  ok
# pyrefly  ok
# ty       ok
# python   ok
