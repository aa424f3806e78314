"""window: lists of `n` neighbours."""

from __future__ import annotations

import builtins
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from typing import TypeVar

from daglite.operations.operator import Operator, OperatorInputs
from daglite.operations.spec import OperatorSpec, list_of

T = TypeVar("T")


def window(items: Iterable[T], n: int, step: int = 1) -> Iterator[list[T]]:
    """Yield lists of `n` neighbours, one that begins at every `step`-th item; full ones only."""
    held: deque[T] = deque(maxlen=n)
    for count, item in builtins.enumerate(items, 1):
        held.append(item)
        if count >= n and (count - n) % step == 0:
            yield list(held)


class WindowOperator(Operator):
    """Holds the last `n` items."""

    def __init__(self, inputs: OperatorInputs) -> None:
        n = inputs.numbers["n"]
        self._items: deque[object] = deque(maxlen=n)
        self._step = inputs.numbers["step"]
        # Items that are missing before the next window is full.
        self._left = n

    def feed(self, item: object) -> Iterable[object]:
        self._items.append(item)
        self._left -= 1
        if self._left:
            return ()
        self._left = self._step
        return (list(self._items),)

    def run(self, items: Iterator[object], stop: Callable[[], None]) -> Iterator[object]:
        held, left, step = self._items, self._left, self._step
        for item in items:
            held.append(item)
            left -= 1
            if not left:
                left = step
                yield list(held)


SPEC = OperatorSpec(
    meaning=window,
    operator=WindowOperator,
    output=lambda types: list_of(types.item),
    keeps=lambda n, step: f"keeps {n:_}",
    demand=lambda count, n, step: (count - 1) * step + n,
    draws=(range(1, 4), range(1, 4)),
)
