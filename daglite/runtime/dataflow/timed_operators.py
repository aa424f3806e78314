"""Timers around sources, operators and folds: items in, items out, and the seconds between.

Used only where an observer asks for the time of each step.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator

from daglite.operations.operator import Operator, StoppingOperator
from daglite.runtime.dataflow.sinks import FoldSink, Sink
from daglite.runtime.dataflow.source import Source
from daglite.runtime.kernel.timers import StepTimer, TimedItems, timed


class TimedOperator(StoppingOperator):
    """An operator with a timer. The time of what it pulls is taken off: those before it have timers of their own."""

    def __init__(self, inner: Operator, timer: StepTimer) -> None:
        self.timer = timer
        self._inner = inner

    @property
    def done(self) -> bool:  # type: ignore[override]
        return self._inner.done

    def feed(self, item: object) -> Iterable[object]:
        self.timer.begun += 1
        return self._timed(lambda: self._inner.feed(item))

    def finish(self) -> Iterable[object]:
        return self._timed(self._inner.finish)

    def run(self, items: Iterator[object], stop: Callable[[], None]) -> Iterator[object]:
        return TimedItems(self._inner.run(ExcludedItems(items, self.timer, counted=True), stop), self.timer)

    def _timed(self, call: Callable[[], Iterable[object]]) -> Iterable[object]:
        began = time.perf_counter()
        try:
            outputs = call()
        finally:
            self.timer.seconds += time.perf_counter() - began
        if type(outputs) is tuple:
            self.timer.returned += len(outputs)
            return outputs
        # Iterated later, and perhaps not to the end.
        return TimedItems(iter(outputs), self.timer)


class ExcludedItems(TimedItems):
    """Items that an operator pulls: the time that they take is not the operator's own."""

    def __init__(self, items: Iterator[object], timer: StepTimer, *, counted: bool = False) -> None:
        """`counted` items are inputs of the operator; others belong to a stream beside it."""
        super().__init__(items, timer)
        self._counted = counted

    def __next__(self) -> object:
        began = time.perf_counter()
        try:
            item = next(self._items)
        finally:
            self._timer.seconds -= time.perf_counter() - began
        self._timer.begun += self._counted
        return item


def timed_saver(saver: Callable[[int, object], None], timer: StepTimer) -> Callable[[int, object], None]:
    """Return the saver with its time added to that of the step."""

    def save(index: int, value: object) -> None:
        began = time.perf_counter()
        try:
            saver(index, value)
        finally:
            timer.seconds += time.perf_counter() - began

    return save


def time_source(source: Source, timers: list[StepTimer]) -> None:
    """Put a timer around the items of a source."""
    timers.append(StepTimer(source.number))
    source.items = TimedItems(source.items, timers[-1])


def time_ends(source: Source, sink: Sink, last: int, timers: list[StepTimer]) -> None:
    """Put timers around the source and the fold of a stream without workers; `last` is the number of its last step.

    A step with a timer gets no other.
    """
    if all(timer.step != source.number for timer in timers):
        time_source(source, timers)
    if isinstance(sink, FoldSink):
        fold = StepTimer(last)
        sink.one = timed(sink.one, fold)
        if last != source.number:
            timers.append(fold)
