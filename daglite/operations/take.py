"""take: the first `n` items. As an operation it is the end of a stream whose length depends on its items."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from itertools import islice
from typing import TypeVar

from daglite.operations.operator import StoppingOperator
from daglite.operations.spec import OperatorSpec

T = TypeVar("T")


def take(items: Iterable[T], n: int) -> Iterator[T]:
    """Yield the first `n` items."""
    return islice(items, n)


class TakeOperator(StoppingOperator):
    """Counts the items that are left to take."""

    def __init__(self, n: int) -> None:
        self._left = n
        self.done = not n

    def feed(self, item: object) -> Iterable[object]:
        if self.done:
            return ()
        self._left -= 1
        self.done = not self._left
        return (item,)

    def run(self, items: Iterator[object], stop: Callable[[], None]) -> Iterator[object]:
        yield from islice(items, self._left)
        stop()


SPEC = OperatorSpec(
    meaning=take,
    operator=lambda inputs: TakeOperator(inputs.numbers["n"]),
    output=lambda types: types.item,
    demand=lambda count, n: min(count, n),
    draws=(range(6),),
    forwards=True,
)
