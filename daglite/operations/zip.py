"""zip: each item with the one of another stream in its place."""

from __future__ import annotations

import builtins
from collections.abc import Callable, Iterable, Iterator, Sized
from itertools import islice
from typing import TypeVar

from daglite.operations.operator import OperatorInputs, StoppingOperator
from daglite.operations.spec import OperatorSpec, tuple_of

T = TypeVar("T")
U = TypeVar("U")


def zip(items: Iterable[T], other: Iterable[U]) -> Iterator[tuple[T, U]]:
    """Yield each item with the one of another stream in its place, up to the end of the shorter stream."""
    return builtins.zip(items, other, strict=False)


class ZipOperator(StoppingOperator):
    """Reads one item of the other stream for each item. That is a list, whose length is known, or an iterator."""

    def __init__(self, inputs: OperatorInputs) -> None:
        self._other = iter(inputs.operand)
        self._left = len(inputs.operand) if isinstance(inputs.operand, Sized) else None
        self.done = self._left == 0

    def feed(self, item: object) -> Iterable[object]:
        if self.done:
            return ()
        for other in self._other:
            if self._left is not None:
                self._left -= 1
                self.done = not self._left
            return ((item, other),)
        self.done = True
        return ()

    def run(self, items: Iterator[object], stop: Callable[[], None]) -> Iterator[object]:
        firsts = items if self._left is None else islice(items, self._left)
        try:
            yield from builtins.zip(firsts, self._other, strict=False)
            stop()
        finally:
            close = getattr(self._other, "close", None)
            if close is not None:
                close()


SPEC = OperatorSpec(
    meaning=zip,
    operator=ZipOperator,
    output=lambda types: tuple_of(types.item, types.operand),
    demand=lambda count: count,
    operand="other",
    draws=("stream",),
    reads_stream=True,
    forwards=True,
)
