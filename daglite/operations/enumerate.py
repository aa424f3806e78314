"""enumerate: each item with its number."""

from __future__ import annotations

import builtins
from collections.abc import Callable, Iterable, Iterator
from typing import TypeVar

from daglite.operations.operator import CountingOperator
from daglite.operations.spec import OperatorSpec, tuple_of

T = TypeVar("T")


def enumerate(items: Iterable[T]) -> Iterator[tuple[int, T]]:
    """Yield each item with its number before it, from 0."""
    return builtins.enumerate(items)


class EnumerateOperator(CountingOperator):
    """Counts the items."""

    def feed(self, item: object) -> Iterable[object]:
        self._count += 1
        return ((self._count - 1, item),)

    def feed_all(self, items: Iterator[object]) -> Iterator[object]:
        for pair in builtins.enumerate(items, self._count):
            self._count += 1
            yield pair

    def run(self, items: Iterator[object], stop: Callable[[], None]) -> Iterator[object]:
        return builtins.enumerate(items)


SPEC = OperatorSpec(
    meaning=enumerate,
    operator=EnumerateOperator,
    output=lambda types: tuple_of(int, types.item),
    demand=lambda count: count,
    forwards=True,
)
