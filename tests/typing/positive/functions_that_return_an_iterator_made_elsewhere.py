"""Functions that return an iterator made elsewhere."""

from __future__ import annotations

from collections.abc import Iterator
from typing import assert_type

from daglite import IterFuture, MapTaskFuture, TaskFuture, task
from tests.typing.shop import double


class Rows(Iterator[int]):
    def __init__(self, n: int) -> None:
        self.left = n

    def __next__(self) -> int:
        if not self.left:
            raise StopIteration
        self.left -= 1
        return self.left


@task
def rows(n: int) -> Rows:
    return Rows(n)


@task
def letters(text: str) -> enumerate[str]:
    return enumerate(text)


assert_type(rows.iter(n=2), IterFuture[int])
assert_type(rows(n=2), TaskFuture[list[int]])
assert_type(task(Rows).iter(n=2).then(double), MapTaskFuture[int])
assert_type(letters.iter(text="ab"), IterFuture[tuple[int, str]])
assert rows.iter(n=2).then(double).run(runtime="inline") == [2, 0]
assert letters(text="a").run(runtime="inline") == [(0, "a")]

# mypy     ok
# plugin   ok
# pyright  ok
# pyrefly  ok
# ty       ok
# python   ok
