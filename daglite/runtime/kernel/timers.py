"""Time the calls of steps, if an observer asks for it."""

from __future__ import annotations

import pickle
import time
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

from daglite.lazy import lazy
from daglite.records import record

if TYPE_CHECKING:
    import daglite.events as events
    from daglite.events import StepTime
else:
    events = lazy("daglite.events")


class StepTimer:
    """Seconds and counts of one step since the last `take`; written by the thread that calls the step."""

    __slots__ = ("begun", "failed", "repeated", "returned", "seconds", "step")

    def __init__(self, step: int) -> None:
        self.step = step
        self.seconds = 0.0
        self.begun = self.returned = self.repeated = self.failed = 0

    def take(self) -> StepTime:
        """Return the seconds and counts, and reset them."""
        taken = events.StepTime(self.step, self.seconds, self.begun, self.returned, self.repeated, self.failed)
        self.seconds = 0.0
        self.begun = self.returned = self.repeated = self.failed = 0
        return taken


@record
class TimerReading:
    """When a batch began, and what each of its steps did."""

    began: float
    steps: tuple[StepTime, ...]


class TimedItems:
    """An iterator with a timer, for the source of a stream without workers."""

    def __init__(self, items: Iterator[object], timer: StepTimer) -> None:
        self._items = items
        self._timer = timer

    def __iter__(self) -> TimedItems:
        return self

    def __next__(self) -> object:
        timer, began = self._timer, time.perf_counter()
        try:
            item = next(self._items)
        finally:
            timer.seconds += time.perf_counter() - began
        timer.returned += 1
        return item

    def close(self) -> None:
        """Close the iterator, if it has a `close` method."""
        close = getattr(self._items, "close", None)
        if close is not None:
            close()


def timed(call: Callable[..., Any], timer: StepTimer) -> Callable[..., Any]:
    """Return the call with a timer around it."""
    clock = time.perf_counter

    def clocked(*values: object) -> object:
        timer.begun += 1
        began = clock()
        try:
            value = call(*values)
        finally:
            timer.seconds += clock() - began
        timer.returned += 1
        return value

    return clocked


def take_reading(began: float, timers: Sequence[StepTimer]) -> TimerReading:
    """Take the seconds and counts of all timers."""
    return TimerReading(began, tuple([timer.take() for timer in timers]))


def pack_reading(reading: TimerReading) -> bytes:
    """Return a reading as bytes, the last segment of a frame."""
    return pickle.dumps((reading.began, [tuple(one) for one in reading.steps]))


def unpack_reading(data: bytes) -> TimerReading:
    """Return the reading that was packed."""
    began, rows = pickle.loads(data)
    return TimerReading(began, tuple([events.StepTime(*row) for row in rows]))
