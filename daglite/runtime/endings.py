"""Endings: where the results of a stream go, in the coordinator."""

from __future__ import annotations

import functools
from collections import deque
from collections.abc import Callable, Sequence
from operator import length_hint
from typing import Any, NoReturn, Protocol

from daglite.exceptions import Failure
from daglite.runtime.chain import BoundStep
from daglite.runtime.failures import raise_blamed, short_repr
from daglite.runtime.saving import Saver

__all__ = ["Collecting", "Combining", "Ending", "Folding", "Handover", "Intake"]


class Ending(Protocol):
    """Takes results in the order in which they go on. `keeps` tells whether they stay alive after `take`.

    `one` takes a single result; for a fold it is the fold itself: `value = one(value, result)`.
    """

    keeps: bool
    one: Callable[..., Any]

    def take(self, first: int, values: Sequence[object], nbytes: int) -> None:
        """Results of the items from index `first` on (unordered: of that batch)."""


class Collecting:
    """Keeps all results as a list."""

    keeps = False

    def __init__(self) -> None:
        self.items: list[object] = []
        self.one = self.items.append

    def take(self, first: int, values: Sequence[object], nbytes: int) -> None:
        self.items.extend(values)


class Folding:
    """Folds the results into one value, one after the other."""

    keeps = False

    def __init__(self, step: BoundStep, call: Callable[..., Any], initial: object) -> None:
        self.value = initial
        self.one = call
        self._step = step

    def take(self, first: int, values: Sequence[object], nbytes: int) -> None:
        left = iter(values)
        try:
            self.value = functools.reduce(self.one, left, self.value)
        except BaseException as error:
            # The one it was at is the last that the iterator gave.
            position = max(0, len(values) - length_hint(left) - 1)
            self.blame(error, first + position, values[position])

    def blame(self, error: BaseException, index: int, item: object) -> NoReturn:
        """Raise what the fold raised at an item, with the facts."""
        raise_blamed(error, Failure(self._step.function.name, self._step.number, index, short_repr(item)))


class Combining:
    """Puts the parts that workers have folded together, neighbour to neighbour as they come.

    The part that holds the first item started from the initial value, so that it is in the value once.
    """

    keeps = False

    def __init__(self, step: BoundStep, call: Callable[..., Any], initial: object) -> None:
        self.value = initial
        self.one = call
        self._step = step
        # Whether there is a part in the value.
        self.begun = False

    def go_on(self, value: object) -> None:
        """Begin with what has been folded elsewhere, the first item in it."""
        self.value, self.begun = value, True

    def take(self, first: int, values: Sequence[object], nbytes: int) -> None:
        for part in values:
            self.value = self._both(part) if self.begun else part
            self.begun = True

    def _both(self, part: object) -> object:
        try:
            return self.one(self.value, part)
        except BaseException as error:
            raise_blamed(error, Failure(self._step.function.name, self._step.number, None))


class Handover:
    """Holds results for a consumer who takes them one by one; they stay alive until then."""

    keeps = True

    def __init__(self) -> None:
        self.waiting: deque[tuple[object, float]] = deque()
        self.one = self._keep

    def take(self, first: int, values: Sequence[object], nbytes: int) -> None:
        each = nbytes / len(values)
        self.waiting.extend((value, each) for value in values)

    def _keep(self, value: object) -> None:
        self.waiting.append((value, 0.0))


class Intake:
    """Between merge and ending: unpacks what steps on the way wanted saved, saves results, passes them on.

    `savers` has one entry for each tapped step and a last one for the result itself; results arrive flat, `len(savers)`
    values for each item. Where workers fold (`parts`) there is no last one, and one part follows the values of a batch.
    """

    def __init__(self, savers: Sequence[Saver | None], ending: Ending, *, parts: bool = False) -> None:
        self.stride = len(savers)
        self._parts = parts
        self.keeps = ending.keeps
        self._savers = savers
        self._ending = ending
        self._plain = all(saver is None for saver in savers)

    def go_on(self, folded: Ending) -> None:
        """Parts are added to what an ending of this process has folded."""
        if isinstance(folded, Folding) and isinstance(self._ending, Combining):
            self._ending.go_on(folded.value)

    def take(self, first: int, size: int, values: Sequence[object], nbytes: int) -> None:
        """Save what is kept of `size` items, one item at a time in this order, and pass on the results."""
        if not self._plain:
            for position, value in enumerate(values[: size * self.stride]):
                saver = self._savers[position % self.stride]
                if saver is not None:
                    saver(first + position // self.stride, value)
            values = values[size * self.stride :] if self._parts else values[self.stride - 1 :: self.stride]
        self._ending.take(first, values, nbytes)
