"""batch: lists of `n` items in a row."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from itertools import islice
from typing import TypeVar

from daglite.operations.operator import Operator, OperatorInputs
from daglite.operations.spec import OperatorSpec, list_of

T = TypeVar("T")


def batch(items: Iterable[T], n: int) -> Iterator[list[T]]:
    """Yield lists of `n` items; the last one may be shorter."""
    left = iter(items)
    while taken := list(islice(left, n)):
        yield taken


class BatchOperator(Operator):
    """Fills a list until it has `n` items."""

    def __init__(self, inputs: OperatorInputs) -> None:
        self._n = inputs.numbers["n"]
        self._filling: list[object] = []

    def feed(self, item: object) -> Iterable[object]:
        self._filling.append(item)
        if len(self._filling) < self._n:
            return ()
        full, self._filling = self._filling, []
        return (full,)

    def finish(self) -> Iterable[object]:
        rest, self._filling = self._filling, []
        return (rest,) if rest else ()

    def run(self, items: Iterator[object], stop: Callable[[], None]) -> Iterator[object]:
        return batch(items, self._n)

    def feed_all(self, items: Iterator[object]) -> Iterator[object]:
        while True:
            filling = self._filling
            filling += islice(items, self._n - len(filling))
            if len(filling) < self._n:
                return
            self._filling = []
            yield filling


SPEC = OperatorSpec(
    meaning=batch,
    operator=BatchOperator,
    output=lambda types: list_of(types.item),
    keeps=lambda n: f"keeps {n:_}",
    demand=lambda count, n: count * n,
    draws=(range(1, 5),),
    forwards=True,
)
