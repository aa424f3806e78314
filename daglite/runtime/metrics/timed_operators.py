"""Clocks around sources, operations and folds: what goes in, what comes out, and the seconds between.

Only where an observer asks for the time of each step.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Sequence

from daglite.runtime.dataflow.operators import Enough, Keep, Operator, over
from daglite.runtime.dataflow.sinks import FoldSink, Sink
from daglite.runtime.dataflow.source import Source
from daglite.runtime.kernel.steps import StepChain
from daglite.runtime.kernel.timers import StepTimer, TimedItems, timed


class TimedOperator:
    """An operator with a clock. What stands in front of it has clocks of its own, so that time is taken off here."""

    def __init__(self, inner: Operator, timer: StepTimer) -> None:
        self.timer = timer
        self._inner = inner

    @property
    def done(self) -> bool:
        return self._inner.done

    def feed(self, item: object) -> Iterable[object]:
        self.timer.begun += 1
        return self._counted(lambda: self._inner.feed(item))

    def finish(self) -> Iterable[object]:
        return self._counted(self._inner.finish)

    def over(self, items: Iterator[object], enough: Enough) -> Iterator[object]:
        """See `pulling.Pulling`: where the operator has a way of its own, it keeps it."""
        return TimedItems(over(self._inner, _CountedItems(items, self.timer), enough), self.timer)

    def _counted(self, give: Callable[[], Iterable[object]]) -> Iterable[object]:
        began = time.perf_counter()
        try:
            given = give()
        finally:
            self.timer.seconds += time.perf_counter() - began
        if type(given) is tuple:
            self.timer.returned += len(given)
            return given
        # Taken apart as it is asked for, and perhaps not to its end.
        return TimedItems(iter(given), self.timer)


class ExcludedItems:
    """What an operator pulls, from in front of it or beside: the time that it takes is not the operator's own."""

    def __init__(self, items: Iterator[object], timer: StepTimer) -> None:
        self._items = items
        self.timer = timer

    def __iter__(self) -> ExcludedItems:
        return self

    def __next__(self) -> object:
        began = time.perf_counter()
        try:
            return next(self._items)
        finally:
            self.timer.seconds -= time.perf_counter() - began

    def close(self) -> None:
        """End the stream."""
        close = getattr(self._items, "close", None)
        if close is not None:
            close()


class _CountedItems(ExcludedItems):
    """Items on their way into an operator that pulls them, which are counted."""

    def __next__(self) -> object:
        item = super().__next__()
        self.timer.begun += 1
        return item


def timed_saver(saver: Keep, timer: StepTimer) -> Keep:
    """A saver whose time is that of the step."""

    def save(index: int, value: object) -> None:
        began = time.perf_counter()
        try:
            saver(index, value)
        finally:
            timer.seconds += time.perf_counter() - began

    return save


def clocked(source: Source) -> StepTimer:
    """Put a clock around what a source gives."""
    timer = StepTimer(source.number)
    source.items = TimedItems(source.items, timer)
    return timer


def clocks(source: Source, chain: StepChain, sink: Sink, last: int, before: Sequence[StepTimer]) -> list[StepTimer]:
    """Put clocks around the source and the fold of a stream without workers; `last` is the number of its last step.

    What has one of those `before` needs none.
    """
    timers = list(chain.timers)
    if all(timer.step != source.number for timer in (*before, *timers)):
        timers.insert(0, clocked(source))
    if isinstance(sink, FoldSink):
        fold = StepTimer(last)
        sink.one = timed(sink.one, fold)
        if last != source.number:
            timers.append(fold)
    return timers
