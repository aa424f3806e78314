"""Functions that return an iterable."""

from __future__ import annotations

from collections.abc import Iterable
from typing import assert_type

from daglite import MapTaskFuture, TaskFuture, task
from tests.typing.shop import double


@task
def some(n: int) -> Iterable[int]:
    return range(n)


assert_type(some(n=3), TaskFuture[Iterable[int]])
assert_type(double.map(x=some(n=3)), MapTaskFuture[int])

# mypy     ok
# plugin   ok
# pyright  ok
# pyrefly  ok
# ty       ok
# python   ok
