"""The smallest tasks that tests of runs are made of."""

from __future__ import annotations

from collections.abc import Iterator

from daglite import task

__all__ = ["add", "count", "double"]


@task
def count(n: int) -> Iterator[int]:
    yield from range(n)


@task
def double(x: int) -> int:
    return x * 2


@task
def add(total: int, item: int) -> int:
    return total + item
