"""Endings: where the results of a stream go, in the coordinator."""

from __future__ import annotations

import itertools
from array import array
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from operator import length_hint
from types import FrameType
from typing import Any, NoReturn, Protocol, cast

from daglite.exceptions import Failure
from daglite.runtime.dataflow.failure_policy import FailureCounter
from daglite.runtime.dataflow.reorder_buffer import BatchResult
from daglite.runtime.dataflow.saves import Saver
from daglite.runtime.dataflow.tree_reduce import TreeReducer
from daglite.runtime.kernel.errors import raise_blamed, short_repr
from daglite.runtime.kernel.steps import BoundStep
from daglite.task_context import register_reader


class Sink(Protocol):
    """Takes results in the order in which they go on. `keeps` tells whether they stay in flight after `take`.

    `one` takes a single result (with its index before it where the ending is `numbered`); for a fold it is the fold
    itself: `value = one(value, result)`.
    """

    keeps: bool
    one: Callable[..., Any]

    def take(self, indices: Sequence[int], values: Sequence[object], nbytes: int) -> None:
        """Results of the items with these indices; there is at least one."""


class CollectSink:
    """Keeps all results as a list; where a filter may have dropped some, with the `indices` of their items."""

    keeps = False

    def __init__(self, *, numbered: bool = False) -> None:
        self.items: list[object] = []
        self.indices = array("q") if numbered else None
        self.one: Callable[..., Any] = self._numbered if numbered else self.items.append

    def take(self, indices: Sequence[int], values: Sequence[object], nbytes: int) -> None:
        self.items.extend(values)
        if self.indices is not None:
            self.indices.extend(indices)

    def _numbered(self, index: int, value: object) -> None:
        assert self.indices is not None
        self.indices.append(index)
        self.items.append(value)


class FoldSink:
    """Folds the results into one value, one after the other."""

    keeps = False

    def __init__(self, step: BoundStep, call: Callable[..., Any], initial: object) -> None:
        self.value = initial
        self.one = call
        self._step = step

    def take(self, indices: Sequence[int], values: Sequence[object], nbytes: int) -> None:
        call, left, value = self.one, iter(values), self.value
        try:
            # A call from Python to Python is quicker than one from `functools.reduce`.
            for result in left:
                value = call(value, result)
            self.value = value
        except BaseException as error:
            # The one it was at is the last that the iterator gave.
            position = max(0, len(values) - length_hint(left) - 1)
            self.blame(error, indices[position], values[position])

    def blame(self, error: BaseException, index: int, item: object) -> NoReturn:
        """Raise what the fold raised at an item, with the facts."""
        raise_blamed(error, Failure(self._step.function.name, self._step.number, index, short_repr(item)))


def _nothing(_: FrameType) -> None:
    """A fold has no item of its own."""


register_reader(FoldSink.take, _nothing)


class CombineSink:
    """Puts the parts that workers have folded together, neighbour to neighbour as they come.

    The part that holds the first item started from the initial value, so that it is in the value once. Where parts may
    stay with their workers, `tree_reducer` has them put together there, and what comes home is put together here.
    """

    keeps = False

    def __init__(self, step: BoundStep, call: Callable[..., Any], initial: object) -> None:
        self.value = initial
        self.one = call
        self.step = step
        # Whether there is a part in the value.
        self.begun = False
        self.tree_reducer: TreeReducer | None = None

    def go_on(self, value: object) -> None:
        """Begin with what has been folded elsewhere, the first item in it."""
        self.value, self.begun = value, True

    def take(self, indices: Sequence[int], values: Sequence[object], nbytes: int) -> None:
        for part in values:
            if self.tree_reducer is None:
                self.add(part)
            else:
                self.tree_reducer.add(part)

    def add(self, part: object) -> None:
        """The next part is here."""
        self.value = self._both(part) if self.begun else part
        self.begun = True

    def _both(self, part: object) -> object:
        try:
            return self.one(self.value, part)
        except BaseException as error:
            raise_blamed(error, Failure(self.step.function.name, self.step.number, None))


class OutputQueue:
    """Holds results for a consumer who takes them one by one; they stay in flight until then."""

    keeps = True

    def __init__(self) -> None:
        self.waiting: deque[tuple[object, float]] = deque()
        self.one = self._keep

    def take(self, indices: Sequence[int], values: Sequence[object], nbytes: int) -> None:
        each = nbytes / len(values)
        self.waiting.extend((value, each) for value in values)

    def _keep(self, value: object) -> None:
        self.waiting.append((value, 0.0))


class ExchangeQueue:
    """Holds results for the next segment, which takes them one by one; they stay in flight until then."""

    keeps = True

    def __init__(self) -> None:
        # The index of each, and its share of the bytes; of what is but a part of a result the place of its item, too.
        self.waiting: deque[tuple[int, object, float, int | None]] = deque()
        self.one: Callable[..., Any] = self._keep

    def take(self, indices: Sequence[int], values: Sequence[object], nbytes: int) -> None:
        each = nbytes / len(values)
        self.waiting.extend([(index, value, each, None) for index, value in zip(indices, values, strict=True)])

    def part(self, index: int, place: int, value: object, nbytes: int) -> None:
        """A part of the result of one item."""
        self.waiting.append((index, value, nbytes, place))

    def _keep(self, index: int, value: object) -> None:
        self.waiting.append((index, value, 0.0, None))


class IteratorSink:
    """No ending: the results go on, one by one, to an operation in this process."""

    keeps = False

    def take(self, indices: Sequence[int], values: Sequence[object], nbytes: int) -> None:
        raise AssertionError("its results are asked for, not given")

    one: Callable[..., Any] = take


class ResultWriter:
    """Between merge and ending: unpacks what steps on the way wanted saved, saves results, passes them on.

    `savers` has one entry for each tapped step and a last one for the result itself; results arrive flat, `len(savers)`
    values for each item, and fewer for one that a filter dropped on the way. Where workers fold (`parts`) there is no
    last saver, and one part follows the values of a batch. `span(first, size)` gives the indices of items by their
    places, where they are not the same.
    """

    def __init__(
        self,
        savers: Sequence[Saver | None],
        sink: Sink,
        span: Callable[[int, int], Sequence[int]] | None = None,
        *,
        parts: bool = False,
        most: int | None = None,
        failure_counter: FailureCounter | None = None,
    ) -> None:
        """`most` results are passed on, then it is `full`; there are marks then, as a filter stands before it."""
        self.left = most
        self._failure_counter = failure_counter or FailureCounter(None)
        self._parts = parts
        self.keeps = sink.keeps
        self._stride = len(savers)
        self._savers = savers
        self._sink = sink
        self._span = span
        self._plain = all(saver is None for saver in savers)

    @property
    def full(self) -> bool:
        """Whether as many results have come as are wanted."""
        return self.left == 0

    def take(self, entry: BatchResult[list[object]]) -> int:
        """Save, one item at a time in this order, and pass on the results; tells how many there were."""
        if not entry.size:
            assert isinstance(self._sink, ExchangeQueue)
            self._failure_counter.add_below(entry.first + 1, entry.item_failures)
            index, value = entry.values
            self._sink.part(cast("int", index), entry.first, value, entry.nbytes)
            return 0
        first, size, values, nbytes, marks, item_failures = entry if self.left is None else self._cut(entry, self.left)
        if item_failures:
            self._failure_counter.add_below(first + size, item_failures)
        indices = range(first, first + size) if self._span is None else self._span(first, size)
        if not self._plain:
            self._save(indices, values, marks)
        stride = self._stride
        if self._parts:
            self._sink.take(indices, values[size * stride :], nbytes)
            return size
        if marks is None:
            values = values[stride - 1 :: stride] if stride > 1 else values
        else:
            indices, values = _kept(indices, values, marks, stride)
        if values:
            self._sink.take(indices, values, nbytes)
        return len(values)

    def pieces(self, entry: BatchResult[list[object]]) -> Iterator[BatchResult[list[object]]]:
        """The entry in parts that may be taken one by one: behind the last that is wanted nothing must be saved."""
        if self._plain and not entry.item_failures:
            yield entry
            return
        first, size, values, nbytes, marks, item_failures = entry
        each, end = nbytes // size, 0
        for place in range(size):
            start, end = end, end + (self._stride if marks is None else marks[place])
            one = None if marks is None else marks[place : place + 1]
            here = [item_failure for item_failure in item_failures if item_failure.place == first + place]
            yield BatchResult(
                first + place, 1, values[start:end], each if place else nbytes - each * (size - 1), one, here
            )

    def go_on(self, folded: Sink) -> None:
        """Parts are added to what an ending of this process has folded."""
        if isinstance(folded, FoldSink) and isinstance(self._sink, CombineSink):
            self._sink.go_on(folded.value)

    def _cut(self, entry: BatchResult[list[object]], left: int) -> BatchResult[list[object]]:
        """The entry up to the last result that is wanted."""
        marks = entry.marks or ()
        whole = [place for place, mark in enumerate(marks) if mark == self._stride]
        self.left = left - min(left, len(whole))
        if len(whole) < left:
            return entry
        size = whole[left - 1] + 1 if left else 0
        return entry._replace(size=size, values=entry.values[: sum(marks[:size])], marks=marks[:size])

    def _save(self, indices: Sequence[int], values: Sequence[object], marks: Sequence[int] | None) -> None:
        left = iter(values)
        for index, count in zip(indices, itertools.repeat(self._stride) if marks is None else marks, strict=False):
            # The savers first: a value that is asked for and has none would be lost.
            for saver, value in zip(self._savers[:count], left, strict=False):
                if saver is not None:
                    saver(index, value)


def _kept(
    indices: Sequence[int], values: Sequence[object], marks: Sequence[int], stride: int
) -> tuple[list[int], list[object]]:
    """The indices and results of the items that came through all steps; the others have fewer values."""
    ends = itertools.accumulate(marks)
    whole = [(index, values[end - 1]) for index, mark, end in zip(indices, marks, ends, strict=True) if mark == stride]
    return [index for index, _ in whole], [value for _, value in whole]
