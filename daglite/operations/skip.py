"""skip: all items but the first `n`."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from itertools import islice
from typing import TypeVar

from daglite.operations.operator import Operator, OperatorInputs
from daglite.operations.spec import OperatorSpec

T = TypeVar("T")


def skip(items: Iterable[T], n: int) -> Iterator[T]:
    """Yield all items but the first `n`."""
    return islice(items, n, None)


class SkipOperator(Operator):
    """Counts the items that are left to skip."""

    def __init__(self, inputs: OperatorInputs) -> None:
        self._left = inputs.numbers["n"]

    def feed(self, item: object) -> Iterable[object]:
        if self._left:
            self._left -= 1
            return ()
        return (item,)

    def run(self, items: Iterator[object], stop: Callable[[], None]) -> Iterator[object]:
        return islice(items, self._left, None)


SPEC = OperatorSpec(
    meaning=skip,
    operator=SkipOperator,
    output=lambda types: types.item,
    demand=lambda count, n: count + n,
    draws=(range(4),),
    forwards=True,
)
