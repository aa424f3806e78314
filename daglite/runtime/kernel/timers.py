"""Clocks around the calls of steps: there only when an observer asks for the time of each step."""

from __future__ import annotations

import struct
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


_BEGAN = struct.Struct("!d")
_STEP = struct.Struct("!idQQQQ")


class StepTimer:
    """What one step has done since the last look; written by the thread that calls it."""

    __slots__ = ("begun", "failed", "repeated", "returned", "seconds", "step")

    def __init__(self, step: int) -> None:
        self.step = step
        self.seconds = 0.0
        self.begun = self.returned = self.repeated = self.failed = 0

    def take(self) -> StepTime:
        """The tally, which begins again from nothing."""
        found = events.StepTime(self.step, self.seconds, self.begun, self.returned, self.repeated, self.failed)
        self.seconds = 0.0
        self.begun = self.returned = self.repeated = self.failed = 0
        return found


@record
class TimerReading:
    """What the clocks of a worker say of a batch: when it began, and what each step did."""

    began: float
    steps: tuple[StepTime, ...]


class TimedItems:
    """An iterator whose time is counted: what the source of a stream without workers does."""

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
        """Close the iterator inside, if it can be."""
        close = getattr(self._items, "close", None)
        if close is not None:
            close()


def timed(call: Callable[..., Any], timer: StepTimer) -> Callable[..., Any]:
    """The call with a clock around it."""
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
    """Read the clocks and set them back."""
    return TimerReading(began, tuple([timer.take() for timer in timers]))


def pack_reading(reading: TimerReading) -> bytes:
    """A reading as the last segment of a frame."""
    rows = [
        _STEP.pack(one.step, one.seconds, one.begun, one.returned, one.repeated, one.failed) for one in reading.steps
    ]
    return b"".join([_BEGAN.pack(reading.began), *rows])


def unpack_reading(data: bytes) -> TimerReading:
    """The reading that was packed."""
    (began,) = _BEGAN.unpack_from(data)
    return TimerReading(began, tuple([events.StepTime(*row) for row in _STEP.iter_unpack(data[_BEGAN.size :])]))
