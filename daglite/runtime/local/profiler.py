"""Measure a stream in this process before it moves to workers: items are taken through in slices, which are timed.

`SingleSegmentRunner` takes items through one segment, `MultiSegmentRunner` through several. Both are used alike:
`begin`, `take` as often as there is time, `end` gives the `SliceStats` of the slice.
"""

from __future__ import annotations

import functools
import time
from collections.abc import Callable, Iterator, Sequence
from itertools import islice
from typing import Any, TypeAlias

from daglite.runtime.dataflow.source import Source, close_items
from daglite.runtime.engines.cost_model import SliceStats
from daglite.runtime.local.executor import LocalDriver
from daglite.runtime.local.sections import LocalSegment, Sections

# A segment that gets at most one of this many items is always timed: that costs nothing.
_RARE = 16
# A first item may be slow because it is the first: one that took less, in seconds, does not count.
_FIRST = 0.01
_END = object()
# How much of the past a mean of item times remembers, in seconds.
_MEMORY = 0.2


class SingleSegmentRunner:
    """Take items from the source through the tasks of one segment to the sink. `over`: there are no more."""

    def __init__(self, driver: LocalDriver, *, folds: bool) -> None:
        """`folds`: the fold would move, too, so its time counts as that of a task."""
        self.over = driver.full
        self._driver = driver
        self._stopwatch = _Stopwatch(driver.calls, driver.sink.one if folds else None)
        self._first = self._nbytes = 0

    def begin(self, *, timed: bool) -> None:
        """Begin a slice; if `timed`, measure its tasks."""
        self._stopwatch.attach(self._driver, timed=timed)
        self._first, self._nbytes = self._driver.source.count, _copied_bytes(self._driver)

    def take(self, size: int) -> int:
        """Take up to `size` items through; return how many."""
        count = self._driver.take(islice(self._driver.source.items, size))
        self.over = count < size or self._driver.full
        return count

    def end(self, seconds: float, pauses: int, *, timed: bool) -> SliceStats:
        """Return what the slice was."""
        items, nbytes = self._driver.source.count - self._first, _copied_bytes(self._driver) - self._nbytes
        return SliceStats(items, seconds, nbytes, timed, self._stopwatch.wall, self._stopwatch.cpu, pauses)

    def more(self) -> int | None:
        """Return how many items are left; None if that is unknown."""
        return self._driver.source.more()


class MultiSegmentRunner:
    """Take items through several segments. Each item of each segment counts as one: each would go to a worker.

    An item of a later segment may be rare and slow. So the time of an item is measured for each segment by itself, and
    the time of a slice is computed from these means: in most slices most tasks are not timed.
    """

    def __init__(self, source: Source, sections: Sections, last: LocalDriver, *, folds: bool) -> None:
        """`last` takes items through the tasks of the last segment, if it has any, to the sink."""
        self.over = False
        self._source = source
        self._sections = sections
        self._last = last
        self._timings = [_ItemTiming(segment.driver, segment) for segment in sections.segments]
        if last.calls or folds:
            self._timings.append(_ItemTiming(last, None, last.sink.one if folds else None))
        self._nbytes = 0

    def begin(self, *, timed: bool) -> None:
        """Begin a slice; if `timed`, measure the tasks of all segments."""
        self._nbytes = sum([_copied_bytes(timing.driver) for timing in self._timings])
        for timing in self._timings:
            timing.begin(timed=timed)

    def take(self, size: int) -> int:
        """Take up to `size` items through, some of them as far as the next section; return how many."""
        step, consume, left = self._sections.step, self._last.take, size
        while left > 0 and not self.over:
            left -= max(1, step(left, consume))
            self.over = self._sections.over or self._last.full
        return size - left

    def end(self, seconds: float, pauses: int, *, timed: bool) -> SliceStats:
        """Return what the slice was."""
        timings, counts = self._timings, [timing.end() for timing in self._timings]
        items = sum(counts)
        for timing, count in zip(timings, counts, strict=True):
            timing.rare = count * _RARE <= items
        walls = [timing.wall * count for timing, count in zip(timings, counts, strict=True)]
        cpu = sum([timing.cpu * count for timing, count in zip(timings, counts, strict=True)])
        # The segment that takes longest is taken to be the one that waits.
        longest = counts[walls.index(max(walls))]
        pauses = pauses * items // longest if longest else 0
        nbytes = sum([_copied_bytes(timing.driver) for timing in timings]) - self._nbytes
        return SliceStats(items, seconds, nbytes, bool(items), sum(walls), cpu, pauses)

    def more(self) -> int | None:
        """Estimate how many items of all segments are left; None if that is unknown."""
        more = self._source.more()
        if not more:
            # The last item of the source may still give many.
            return None if self._sections.pending else more
        return more * sum([timing.count() for timing in self._timings]) // max(1, self._source.count)


LocalRunner: TypeAlias = SingleSegmentRunner | MultiSegmentRunner


class _ItemTiming:
    """The mean seconds that an item takes in one segment: by the clock (`wall`), and of the processor (`cpu`)."""

    def __init__(
        self, driver: LocalDriver, segment: LocalSegment | None, fold: Callable[..., Any] | None = None
    ) -> None:
        """`segment` is None for the last one, whose results go to the sink."""
        self.driver = driver
        self.stopwatch = _Stopwatch(driver.calls, fold, spreads=segment is not None and segment.spreads)
        self.timed = self.rare = False
        self.wall = self.cpu = 0.0
        self._segment = segment
        self._first = 0
        # Sums over the items that were timed.
        self._items = self._walls = self._cpus = 0.0
        # Whether only a first item was timed, which does not count.
        self._first_only = False

    def count(self) -> int:
        """Return how many items have come."""
        return self.driver.source.count if self._segment is None else self._segment.count()

    def begin(self, *, timed: bool) -> None:
        """Begin a slice."""
        self.timed = timed or self.rare or not self._items or self._first_only
        self.stopwatch.attach(self.driver, timed=self.timed)
        self._first = self.count()

    def end(self) -> int:
        """Return how many items came in the slice."""
        count = self.count() - self._first
        if count and (self.timed if self._segment is None else self._segment.timed):
            # The clock itself takes longer than some tasks.
            overhead = count * _clock_cost() * len(self.stopwatch.calls)
            self._add(count, max(0.0, self.stopwatch.wall - overhead), self.stopwatch.cpu)
        return count

    def _add(self, count: int, wall: float, cpu: float) -> None:
        share = 0.0 if self._first_only else 0.5 if self._walls > _MEMORY else 1.0
        self._first_only = not self._items and count == 1 and wall < _FIRST and not self._first_only
        self._items = share * self._items + count
        self._walls = share * self._walls + wall
        self._cpus = share * self._cpus + cpu
        self.wall = 0.0 if self._first_only else self._walls / self._items
        self.cpu = 0.0 if self._first_only else self._cpus / self._items


class _Stopwatch:
    """The seconds in tasks and in the fold: by the clock (`wall`), and of the processor (`cpu`)."""

    def __init__(
        self, calls: Sequence[Callable[[Any], Any]], fold: Callable[..., Any] | None, *, spreads: bool = False
    ) -> None:
        """`spreads`: the last task may give an iterator, and works while its items are pulled."""
        self.wall = self.cpu = 0.0
        self.calls = [self._timed(call) for call in calls]
        if spreads:
            self.calls[-1] = self._timed_items(self.calls[-1])
        self.fold = None if fold is None else self._timed(fold)

    def attach(self, driver: LocalDriver, *, timed: bool) -> None:
        """Begin at zero, and measure the calls of a driver from now on if they are to be `timed`."""
        self.wall = self.cpu = 0.0
        driver.calls, driver.fold = (self.calls, self.fold) if timed else (driver.chain.calls, None)
        driver.timed = timed

    def _timed(self, call: Callable[..., Any]) -> Callable[..., Any]:
        def timed(*values: object) -> object:
            cpu, began = time.thread_time(), time.perf_counter()
            try:
                return call(*values)
            finally:
                self.wall += time.perf_counter() - began
                self.cpu += time.thread_time() - cpu

        return timed

    def _timed_items(self, call: Callable[..., Any]) -> Callable[..., Any]:
        def each(*values: object) -> object:
            value = call(*values)
            return self._items(value) if isinstance(value, Iterator) else value

        return each

    def _items(self, items: Iterator[object]) -> Iterator[object]:
        following = functools.partial(self._timed(next), items, _END)
        try:
            while (item := following()) is not _END:
                yield item
        finally:
            close_items(items)


@functools.cache
def _clock_cost() -> float:
    """Return what a stopwatch adds to each call, in seconds: the shortest time of an empty call."""
    stopwatch, costs = _Stopwatch([int], None), list[float]()
    for _ in range(20):
        stopwatch.wall = 0.0
        stopwatch.calls[0]()
        costs.append(stopwatch.wall)
    return min(costs)


def _copied_bytes(driver: LocalDriver) -> int:
    return 0 if driver.copies is None else driver.copies.nbytes
