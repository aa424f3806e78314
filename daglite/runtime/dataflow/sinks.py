"""Sinks: where the results of a stream go, in the coordinator."""

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
from daglite.runtime.kernel.bound_step import BoundStep
from daglite.runtime.kernel.errors import raise_with_failure, short_repr
from daglite.task_context import register_reader


class Sink(Protocol):
    """Takes results in the order in which they are delivered. With `keeps` they stay in flight after `take`.

    `one` takes a single result, after its index if the sink is numbered. That of a fold is the fold itself:
    `value = one(value, result)`.
    """

    keeps: bool
    one: Callable[..., Any]

    def take(self, indices: Sequence[int], values: Sequence[object], nbytes: int) -> None:
        """Take the results of the items with these indices, at least one."""


class CollectSink:
    """Collects all results in a list; if `numbered`, also the `indices` of their items, where a filter leaves gaps."""

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
        call, remaining, value = self.one, iter(values), self.value
        try:
            # A call from Python to Python is faster than one from `functools.reduce`.
            for result in remaining:
                value = call(value, result)
            self.value = value
        except BaseException as error:
            # The result that failed is the last that the iterator yielded.
            position = max(0, len(values) - length_hint(remaining) - 1)
            self.blame(error, indices[position], values[position])

    def blame(self, error: BaseException, index: int, item: object) -> NoReturn:
        """Raise an error of the fold with the facts of the item."""
        raise_with_failure(error, Failure(self._step.function.name, self._step.number, index, short_repr(item)))


def _no_call(_: FrameType) -> None:
    """A fold is not a call of one item."""


register_reader(FoldSink.take, _no_call)


class CombineSink:
    """Combines the partials that workers have folded, in the order in which they are delivered.

    The partial with the first item started from the initial value, so the value contains it once. Where partials may
    stay on their workers, `tree_reducer` combines them there, and this sink combines what it returns.
    """

    keeps = False

    def __init__(self, step: BoundStep, call: Callable[..., Any], initial: object) -> None:
        self.value = initial
        self.one = call
        self.step = step
        # Whether the value contains a partial.
        self.begun = False
        self.tree_reducer: TreeReducer | None = None

    def go_on(self, value: object) -> None:
        """Begin with a value that was folded in this process and contains the first item."""
        self.value, self.begun = value, True

    def take(self, indices: Sequence[int], values: Sequence[object], nbytes: int) -> None:
        add = self.add if self.tree_reducer is None else self.tree_reducer.add
        for partial in values:
            add(partial)

    def add(self, partial: object) -> None:
        """Combine the value with the next partial."""
        if not self.begun:
            self.value, self.begun = partial, True
            return
        try:
            self.value = self.one(self.value, partial)
        except BaseException as error:
            raise_with_failure(error, Failure(self.step.function.name, self.step.number, None))


class OutputQueue:
    """Holds results for a consumer that takes them one by one; they stay in flight until then."""

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
        # Index, value and bytes of each result; for a result chunk also the position of its item.
        self.waiting: deque[tuple[int, object, float, int | None]] = deque()
        self.one: Callable[..., Any] = self._keep

    def take(self, indices: Sequence[int], values: Sequence[object], nbytes: int) -> None:
        each = nbytes / len(values)
        self.waiting.extend([(index, value, each, None) for index, value in zip(indices, values, strict=True)])

    def take_chunk(self, index: int, place: int, value: object, nbytes: int) -> None:
        """Take a chunk of the result of one item."""
        self.waiting.append((index, value, nbytes, place))

    def _keep(self, index: int, value: object) -> None:
        self.waiting.append((index, value, 0.0, None))


class IteratorSink:
    """Passes the results, one by one, to an operator of this process that asks for them."""

    keeps = False

    def take(self, indices: Sequence[int], values: Sequence[object], nbytes: int) -> None:
        raise AssertionError("its results are pulled, not delivered")

    one: Callable[..., Any] = take


class ResultWriter:
    """Saves the values of a batch and writes its results to a sink.

    `savers` has one entry for each tapped step and a last one for the result itself. Values arrive flat, `len(savers)`
    for each item, and fewer for an item that a filter dropped. Where workers fold (`partials`) there is no last saver,
    and one partial follows the values of a batch. `span(first, size)` returns the indices of items by their positions,
    where they differ.
    """

    def __init__(
        self,
        savers: Sequence[Saver | None],
        sink: Sink,
        span: Callable[[int, int], Sequence[int]] | None = None,
        *,
        partials: bool = False,
        most: int | None = None,
        failure_counter: FailureCounter | None = None,
    ) -> None:
        """After `most` results the writer is `full`; such results have marks, as they come from a filter."""
        self.left = most
        self._failure_counter = failure_counter or FailureCounter(None)
        self._partials = partials
        self.keeps = sink.keeps
        self._stride = len(savers)
        self._savers = savers
        self._sink = sink
        self._span = span
        self._plain = all(saver is None for saver in savers)

    @property
    def full(self) -> bool:
        """Whether the sink needs no more results."""
        return self.left == 0

    def write(self, result: BatchResult[list[object]]) -> int:
        """Save the values item by item, then write the results; return their number."""
        if not result.size:
            assert isinstance(self._sink, ExchangeQueue)
            self._failure_counter.add_below(result.first + 1, result.item_failures)
            index, value = result.values
            self._sink.take_chunk(cast("int", index), result.first, value, result.nbytes)
            return 0
        if self.left is not None:
            result = self._cut(result, self.left)
        first, size, values, nbytes, marks, item_failures = result
        if item_failures:
            self._failure_counter.add_below(first + size, item_failures)
        indices = range(first, first + size) if self._span is None else self._span(first, size)
        if not self._plain:
            self._save(indices, values, marks)
        stride = self._stride
        if self._partials:
            self._sink.take(indices, values[size * stride :], nbytes)
            return size
        if marks is None:
            values = values[stride - 1 :: stride] if stride > 1 else values
        else:
            indices, values = _complete(indices, values, marks, stride)
        if values:
            self._sink.take(indices, values, nbytes)
        return len(values)

    def split(self, result: BatchResult[list[object]]) -> Iterator[BatchResult[list[object]]]:
        """Yield a result item by item if it has saves or failures: nothing behind the last item needed may be saved."""
        if self._plain and not result.item_failures:
            yield result
            return
        first, size, values, nbytes, marks, item_failures = result
        each, end = nbytes // size, 0
        for place in range(size):
            start, end = end, end + (self._stride if marks is None else marks[place])
            mark = None if marks is None else marks[place : place + 1]
            failures = [item_failure for item_failure in item_failures if item_failure.place == first + place]
            share = each if place else nbytes - each * (size - 1)
            yield BatchResult(first + place, 1, values[start:end], share, mark, failures)

    def _cut(self, result: BatchResult[list[object]], left: int) -> BatchResult[list[object]]:
        """Return the result up to the last item needed."""
        marks = result.marks or ()
        whole = [place for place, mark in enumerate(marks) if mark == self._stride]
        self.left = left - min(left, len(whole))
        if len(whole) < left:
            return result
        size = whole[left - 1] + 1 if left else 0
        return result._replace(size=size, values=result.values[: sum(marks[:size])], marks=marks[:size])

    def _save(self, indices: Sequence[int], values: Sequence[object], marks: Sequence[int] | None) -> None:
        remaining = iter(values)
        for index, count in zip(indices, itertools.repeat(self._stride) if marks is None else marks, strict=False):
            # The savers first: `zip` would lose a value for which there is no saver.
            for saver, value in zip(self._savers[:count], remaining, strict=False):
                if saver is not None:
                    saver(index, value)


def _complete(
    indices: Sequence[int], values: Sequence[object], marks: Sequence[int], stride: int
) -> tuple[list[int], list[object]]:
    """Return the indices and results of the items that passed all steps; others have fewer values."""
    ends = itertools.accumulate(marks)
    whole = [(index, values[end - 1]) for index, mark, end in zip(indices, marks, ends, strict=True) if mark == stride]
    return [index for index, _ in whole], [value for _, value in whole]
