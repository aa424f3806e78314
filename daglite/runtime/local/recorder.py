"""Reports of a stream that runs in this process. Used only in runs that have observers."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from daglite.runtime.dataflow.source import Source
from daglite.runtime.kernel.timers import StepTimer

if TYPE_CHECKING:
    from daglite.events import StepTime


class LocalRecorder:
    """Reports how many items each turn has taken through, and in how many seconds."""

    def __init__(
        self,
        source: Source,
        timers: Sequence[StepTimer],
        report: Callable[[int, float, tuple[StepTime, ...]], None],
        heartbeat: Callable[[], None],
        *,
        interval: float,
    ) -> None:
        """`report` takes items, seconds and step times, at most every `interval` seconds.

        `timers` are those of the source, the steps and the sink.
        """
        self._source = source
        self._timers = timers
        self._report = report
        self._heartbeat = heartbeat
        self._interval = interval
        self._seconds = 0.0
        self._reported = 0
        self._last = time.perf_counter()

    def turn(self, turn: Callable[[], bool]) -> bool:
        """Run one turn of the stream; return whether there are more."""
        began, more = time.perf_counter(), False
        try:
            more = turn()
        finally:
            now = time.perf_counter()
            self._seconds += now - began
            if not more or now - self._last >= self._interval:
                self._flush(now)
        self._heartbeat()
        return more

    def close(self) -> None:
        """Report the rest: a stream that is pulled may end before its source does."""
        if self._source.count > self._reported:
            self._flush(time.perf_counter())

    def _flush(self, now: float) -> None:
        count = self._source.count
        steps = tuple([timer.take() for timer in self._timers])
        self._report(count - self._reported, self._seconds, steps)
        self._reported, self._seconds, self._last = count, 0.0, now
