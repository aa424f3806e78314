"""A stream that begins in this process, is measured, and goes on with workers when that pays. `choice` decides."""

from __future__ import annotations

import logging
import resource
import time
from collections.abc import Callable, Sequence
from itertools import islice
from typing import Any

from daglite.runtime.auto.choice import Answer, Choice, Part, Slice
from daglite.runtime.inline import InlineFlow
from daglite.runtime.streams.stream import StreamFlow

__all__ = ["AdaptiveFlow"]

# Between two looks at the clock: so many items at most, and about so many seconds.
_PIECE_ITEMS = 512
_PIECE_SECONDS = 0.00025

# macOS counts for the whole process only.
_WHOSE = getattr(resource, "RUSAGE_THREAD", resource.RUSAGE_SELF)

_log = logging.getLogger("daglite")


class AdaptiveFlow:
    """An inline flow until a choice says otherwise; then a flow with workers, for the same source and ending."""

    def __init__(
        self, inline: InlineFlow, choice: Choice, move: Callable[[Answer], StreamFlow | None], *, folds: bool
    ) -> None:
        """`move` gives the flow that goes on, or None when it cannot be had; `folds`: the fold moves, too."""
        assert inline.copies is not None
        self._source = inline.source
        self._inline = inline
        self._copies = inline.copies
        self._stopwatch = _Stopwatch(inline.calls, inline.ending.one if folds else None)
        self._choice = choice
        self._move = move
        self._ended = inline.full
        self._piece = 1
        self._answer: Answer = "stay"
        self._there: StreamFlow | None = None

    def advance(self) -> bool:
        """One turn; False when the stream is over."""
        if self._answer != "stay":
            # Not at once: a consumer has taken by now what this process made, and workers count the rest only.
            self._go()
        if self._there is not None:
            return self._there.advance()
        part = self._choice.next()
        self._answer = self._choice.observe(self._run(part), self._source.more())
        return not self._ended

    def rest(self) -> None:
        """The caller is away, between two items of a consumer."""
        if self._there is not None:
            self._there.rest()

    def release(self, nbytes: float) -> None:
        """A consumer took one item; of those of this process one at a time is alive, and nobody counts them."""
        if self._there is not None:
            self._there.release(nbytes)

    def close(self) -> None:
        """Close whatever is open; the source in any case."""
        if self._there is not None:
            self._there.close()
        else:
            self._source.close()

    def _run(self, part: Part) -> Slice:
        """Take a part of the items through, in this process, with a look at the clock now and then."""
        watch, copies = self._stopwatch, self._copies
        watch.reset()
        calls, end = (watch.calls, watch.end) if part.timed else (None, None)
        nbytes, pauses, began = copies.nbytes, _pauses(), time.perf_counter()
        left, count, now = (1 if self._inline.watchful else part.items), 0, began
        while left > 0 and now - began < part.seconds and not self._ended:
            size, before = min(self._piece, left), now
            got = self._inline.take(islice(self._source.items, size), calls, end)
            count, left, now = count + got, left - size, time.perf_counter()
            self._ended = got < size or self._inline.full
            if now - before > _PIECE_SECONDS:
                self._piece = max(1, self._piece // 2)
            elif size == self._piece:
                self._piece = min(_PIECE_ITEMS, 2 * size)
        nbytes, pauses = copies.nbytes - nbytes, _pauses() - pauses
        return Slice(count, now - began, nbytes, part.timed, watch.wall, watch.processor, pauses)

    def _go(self) -> None:
        answer, self._answer = self._answer, "stay"
        said = f"stream of '{self._source.name}': {self._choice.describe()}"
        self._there = self._move(answer)
        if self._there is None:
            self._choice.close(answer)
        _log.debug("%s; %s", said, f"goes on with {answer}" if self._there else f"cannot go on with {answer}")


class _Stopwatch:
    """The seconds in tasks: on the clock, and of the processor."""

    def __init__(self, calls: Sequence[Callable[[Any], Any]], fold: Callable[..., Any] | None) -> None:
        self.wall = self.processor = 0.0
        self.calls = [self._timed(call) for call in calls]
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


def _pauses() -> int:
    """How often this thread gave its processor up because it had to wait; one that is taken from it does not count."""
    return resource.getrusage(_WHOSE).ru_nvcsw
