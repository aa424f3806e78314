"""A stream that begins in this process, is measured, and goes on with workers when that pays. `choice` decides."""

from __future__ import annotations

import logging
import resource
import time
from collections.abc import Callable
from typing import TYPE_CHECKING

from daglite.runtime.dataflow.driver import StreamDriver
from daglite.runtime.dataflow.source import Source
from daglite.runtime.engines.cost_model import Answer, NextSlice, PlacementPolicy, SliceStats
from daglite.runtime.local.profiler import LocalRunner

if TYPE_CHECKING:
    from daglite.runtime.local.recorder import LocalRecorder

# Between two looks at the clock: so many items at most, and about so many seconds.
_PIECE_ITEMS = 512
_PIECE_SECONDS = 0.00025

# macOS counts for the whole process only.
_WHOSE = getattr(resource, "RUSAGE_THREAD", resource.RUSAGE_SELF)

_log = logging.getLogger("daglite")


class AdaptiveDriver:
    """A course in this process until a choice says otherwise; then a flow with workers that goes on from there."""

    def __init__(
        self,
        source: Source,
        course: LocalRunner,
        choice: PlacementPolicy,
        move: Callable[[Answer], StreamDriver | None],
        *,
        most: int | None = None,
        recorder: LocalRecorder | None = None,
    ) -> None:
        """`move` gives the flow that goes on, or None when it cannot be had.

        A turn takes no more than `most` items: someone may cancel the run, or what comes out waits for a consumer.
        `recorder` reports each slice to observers.
        """
        self._source = source
        self._course = course
        self._choice = choice
        self._move = move
        self._most = most
        self._recorder = recorder
        self._piece = 1
        self._answer: Answer = "stay"
        self._there: StreamDriver | None = None

    def advance(self) -> bool:
        """One turn; False when the stream is over."""
        if self._answer != "stay":
            # Not at once: a consumer has taken by now what this process made, and workers count the rest only.
            self._go()
        if self._there is not None:
            return self._there.advance()
        return self._turn() if self._recorder is None else self._recorder.turn(self._turn)

    def _turn(self) -> bool:
        part = self._choice.next()
        self._answer = self._choice.observe(self._run(part), self._course.more())
        return not self._course.over

    def rest(self) -> None:
        """The caller is away, between two items of a consumer."""
        if self._there is not None:
            self._there.rest()

    def release(self, nbytes: float) -> None:
        """A consumer took one item; of those of this process one at a time is in flight, and nobody counts them."""
        if self._there is not None:
            self._there.release(nbytes)

    def close(self) -> None:
        """Close whatever is open; the source in any case."""
        if self._there is not None:
            self._there.close()
        else:
            self._source.end()

    def _run(self, part: NextSlice) -> SliceStats:
        """Take a part of the items through, in this process, with a look at the clock now and then."""
        course = self._course
        course.begin(timed=part.timed)
        pauses, began = _pauses(), time.perf_counter()
        left, now = part.items if self._most is None else min(self._most, part.items), began
        while left > 0 and now - began < part.seconds and not course.over:
            size, before = min(self._piece, left), now
            left, now = left - max(1, course.take(size)), time.perf_counter()
            if now - before > _PIECE_SECONDS:
                self._piece = max(1, self._piece // 2)
            elif size == self._piece:
                self._piece = min(_PIECE_ITEMS, 2 * size)
        return course.end(now - began, _pauses() - pauses, timed=part.timed)

    def _go(self) -> None:
        answer, self._answer = self._answer, "stay"
        said = f"stream of '{self._source.name}': {self._choice.describe()}"
        self._there = self._move(answer)
        if self._there is None:
            self._choice.close(answer)
        _log.debug("%s; %s", said, f"goes on with {answer}" if self._there else f"cannot go on with {answer}")


def _pauses() -> int:
    """How often this thread gave its processor up because it had to wait; one that is taken from it does not count."""
    return resource.getrusage(_WHOSE).ru_nvcsw
