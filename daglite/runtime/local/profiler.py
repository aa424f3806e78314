"""What a stream does in this process until it moves: taken through in pieces, and measured. One leg, or several."""

from __future__ import annotations

import functools
import time
from collections.abc import Callable, Iterator, Sequence
from itertools import islice
from typing import Any, Protocol

from daglite.runtime.dataflow.source import Source
from daglite.runtime.engines.cost_model import SliceStats
from daglite.runtime.local.executor import LocalDriver
from daglite.runtime.local.sections import LocalSegment, Sections

# A leg that has no more than one in so many items is timed always: a clock around its tasks costs nothing.
_RARE = 16
# A first item may have been slow because it was the first: one that took less, in seconds, does not count.
_FIRST = 0.01
# The memory of what a leg takes, in seconds.
_MEMORY = 0.2


class LocalRunner(Protocol):
    """See the head of this file. `over`: there is no more."""

    over: bool

    def begin(self, *, timed: bool) -> None:
        """Begin a slice; `timed`: its tasks are measured."""
        ...

    def take(self, size: int) -> int:
        """Take up to so many items through, as far as they come; how many it were."""
        ...

    def end(self, seconds: float, pauses: int, *, timed: bool) -> SliceStats:
        """What the slice was."""
        ...

    def more(self) -> int | None:
        """How many items are left, counted as those of slices are; None: nobody knows."""
        ...


class SingleSegmentRunner:
    """Items from the source through tasks to the ending."""

    def __init__(self, inline: LocalDriver, *, folds: bool) -> None:
        """`folds`: the fold moves, too, so that its time is that of a task."""
        self.over = inline.full
        self._inline = inline
        self._watch = _Stopwatch(inline.calls, inline.sink.one if folds else None)
        self._begun = self._nbytes = 0
        self._calls: Sequence[Callable[[Any], Any]] | None = None
        self._end: Callable[..., Any] | None = None

    def begin(self, *, timed: bool) -> None:
        self._watch.reset()
        self._calls, self._end = (self._watch.calls, self._watch.end) if timed else (None, None)
        self._begun, self._nbytes = self._inline.source.count, _copied(self._inline)

    def take(self, size: int) -> int:
        got = self._inline.take(islice(self._inline.source.items, size), self._calls, self._end)
        self.over = got < size or self._inline.full
        return got

    def end(self, seconds: float, pauses: int, *, timed: bool) -> SliceStats:
        items, nbytes = self._inline.source.count - self._begun, _copied(self._inline) - self._nbytes
        return SliceStats(items, seconds, nbytes, timed, self._watch.wall, self._watch.processor, pauses)

    def more(self) -> int | None:
        return self._inline.source.more()


class MultiSegmentRunner:
    """Items through several legs. Each item of each leg counts as one: each would cross to a worker.

    An item of a later leg may be rare and slow, so what a leg takes is measured by itself, and a slice takes what its
    items took before: in most slices most tasks are not timed.
    """

    def __init__(self, source: Source, sections: Sections, last: LocalDriver, *, folds: bool) -> None:
        """`last` is what comes to the ending, through the tasks of the last leg, if it has any."""
        self.over = False
        self._source = source
        self._sections = sections
        self._last = last
        self._paces = [_ItemTiming(executor.flow, executor) for executor in sections.executors]
        if last.calls or folds:
            self._paces.append(_ItemTiming(last, None, last.sink.one if folds else None))
        self._nbytes = 0

    def begin(self, *, timed: bool) -> None:
        self._nbytes = sum([_copied(batch_policy.flow) for batch_policy in self._paces])
        for batch_policy in self._paces:
            batch_policy.begin(timed=timed)

    def take(self, size: int) -> int:
        step, left = self._sections.step, size
        while left > 0 and not self.over:
            left -= max(1, step(left, self._to_the_end))
            self.over = self._sections.over or self._last.full
        return size - left

    def end(self, seconds: float, pauses: int, *, timed: bool) -> SliceStats:
        counts = [batch_policy.end() for batch_policy in self._paces]
        items = sum(counts)
        for batch_policy, count in zip(self._paces, counts, strict=True):
            batch_policy.rare = count * _RARE <= items
        walls = [batch_policy.wall * count for batch_policy, count in zip(self._paces, counts, strict=True)]
        processor = sum(
            [batch_policy.processor * count for batch_policy, count in zip(self._paces, counts, strict=True)]
        )
        # Whoever waits is whoever takes longest.
        longest = counts[walls.index(max(walls))]
        pauses = pauses * items // longest if longest else 0
        nbytes = sum([_copied(batch_policy.flow) for batch_policy in self._paces]) - self._nbytes
        return SliceStats(items, seconds, nbytes, bool(items), sum(walls), processor, pauses)

    def more(self) -> int | None:
        more = self._source.more()
        if not more:
            # Of the last item of the source there may still be a lot.
            return None if self._sections.waiting else more
        every = sum([batch_policy.count() for batch_policy in self._paces])
        return more * every // max(1, self._source.count)

    def _to_the_end(self, items: Iterator[object]) -> None:
        batch_policy = self._paces[-1]
        timed = batch_policy.flow is self._last and batch_policy.timed
        self._last.take(items, batch_policy.watch.calls if timed else None, batch_policy.watch.end if timed else None)


class _ItemTiming:
    """What an item of one leg takes, in seconds on the clock and of the processor."""

    def __init__(
        self, flow: LocalDriver, executor: LocalSegment | None, fold: Callable[..., Any] | None = None
    ) -> None:
        """`executor` is None for the last one, that goes to the ending."""
        self.flow = flow
        self.watch = _Stopwatch(flow.calls, fold, spreads=executor is not None and executor.spreads)
        self.timed = self.rare = False
        self.wall = self.processor = 0.0
        self._executor = executor
        self._begun = 0
        # Of items that were timed.
        self._items = self._walls = self._processors = 0.0
        self._alone = False

    def count(self) -> int:
        """How many items have come."""
        return self.flow.source.count if self._executor is None else self._executor.count()

    def begin(self, *, timed: bool) -> None:
        """Begin a slice."""
        self.watch.reset()
        self.timed = timed or self.rare or not self._items or self._alone
        if self._executor is not None:
            self._executor.calls = self.watch.calls if self.timed else None
        self._begun = self.count()

    def end(self) -> int:
        """How many items have come in the slice."""
        count = self.count() - self._begun
        if count and (self.timed if self._executor is None else self._executor.timed):
            # Of the clock itself, which takes longer than some tasks.
            failed_attempts = count * _clock_cost() * len(self.watch.calls)
            self._learn(count, max(0.0, self.watch.wall - failed_attempts), self.watch.processor)
        return count

    def _learn(self, count: int, wall: float, processor: float) -> None:
        if self._alone or self._walls > _MEMORY:
            share = 0.0 if self._alone else 0.5
            self._items, self._walls, self._processors = (
                share * self._items,
                share * self._walls,
                share * self._processors,
            )
        self._alone = not self._items and count == 1 and wall < _FIRST and not self._alone
        self._items, self._walls, self._processors = (
            self._items + count,
            self._walls + wall,
            self._processors + processor,
        )
        self.wall = 0.0 if self._alone else self._walls / self._items
        self.processor = 0.0 if self._alone else self._processors / self._items


class _Stopwatch:
    """The seconds in tasks: on the clock, and of the processor."""

    def __init__(
        self, calls: Sequence[Callable[[Any], Any]], fold: Callable[..., Any] | None, *, spreads: bool = False
    ) -> None:
        """`spreads`: the last one may give its items one by one, and is at work while they are asked for."""
        self.wall = self.processor = 0.0
        self.calls = [self._timed(call) for call in calls]
        if spreads:
            self.calls[-1] = self._each(self.calls[-1])
        self.end = None if fold is None else self._timed(fold)

    def reset(self) -> None:
        """Begin at zero."""
        self.wall = self.processor = 0.0

    def _timed(self, call: Callable[..., Any]) -> Callable[..., Any]:
        def timed(*values: object) -> object:
            processor, began = time.thread_time(), time.perf_counter()
            try:
                return call(*values)
            finally:
                self.wall += time.perf_counter() - began
                self.processor += time.thread_time() - processor

        return timed

    def _each(self, call: Callable[..., Any]) -> Callable[..., Any]:
        def each(*values: object) -> object:
            value = call(*values)
            return self._items(value) if isinstance(value, Iterator) else value

        return each

    def _items(self, items: Iterator[object]) -> Iterator[object]:
        following = self._timed(items.__next__)
        try:
            while True:
                try:
                    item = following()
                except StopIteration:
                    return
                yield item
        finally:
            close = getattr(items, "close", None)
            if close is not None:
                close()


@functools.cache
def _clock_cost() -> float:
    """What a clock adds to each call, in seconds: the least that a call of nothing seemed to take."""
    watch, costs = _Stopwatch([int], None), list[float]()
    for _ in range(20):
        watch.reset()
        watch.calls[0]()
        costs.append(watch.wall)
    return min(costs)


def _copied(flow: LocalDriver) -> int:
    """Bytes that were copied so far."""
    return 0 if flow.copies is None else flow.copies.nbytes
