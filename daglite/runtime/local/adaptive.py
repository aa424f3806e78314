"""Run a stream in this process, measure it, and go on with workers when that is faster.

LocalRunner --SliceStats--> PlacementPolicy --Answer--> stay, or move: StreamDriver
"""

from __future__ import annotations

import logging
import resource
import time
from collections.abc import Callable

from daglite.runtime.dataflow.driver import StreamDriver
from daglite.runtime.dataflow.source import Source
from daglite.runtime.engines.cost_model import Answer, NextSlice, PlacementPolicy, SliceStats
from daglite.runtime.local.executor import LocalRecorder
from daglite.runtime.local.profiler import LocalRunner

# How many items at most, and about how many seconds, are between two looks at the clock.
_CHUNK_ITEMS = 512
_CHUNK_SECONDS = 0.00025

# macOS counts for the whole process only.
_USAGE_OF = getattr(resource, "RUSAGE_THREAD", resource.RUSAGE_SELF)

_log = logging.getLogger("daglite")


class AdaptiveDriver:
    """Runs a stream in this process until the policy moves it; from then on a `StreamDriver` drives it."""

    def __init__(
        self,
        source: Source,
        runner: LocalRunner,
        policy: PlacementPolicy,
        move: Callable[[Answer], StreamDriver | None],
        *,
        finish: Callable[[], None] | None = None,
        most: int | None = None,
        recorder: LocalRecorder | None = None,
    ) -> None:
        """`move` returns the driver that goes on, or None if workers cannot run the tasks.

        `finish` is called when the stream ends without a move. A turn takes no more than `most` items: the run may be
        cancelled, or a consumer takes the results. `recorder` reports each slice to observers.
        """
        self._source = source
        self._runner = runner
        self._policy = policy
        self._move = move
        self._finish = finish
        self._most = most
        self._recorder = recorder
        self._chunk = 1
        self._answer: Answer = "stay"
        self._remote: StreamDriver | None = None

    def advance(self) -> bool:
        """Run one turn; return False when the stream is over."""
        if self._answer != "stay":
            # Only now: a consumer has taken what this process made, and workers count the rest.
            self._try_move()
        if self._remote is not None:
            return self._remote.advance()
        return self._turn() if self._recorder is None else self._recorder.turn(self._turn)

    def rest(self) -> None:
        """Go on in the background while the caller is away, between two items of a consumer."""
        if self._remote is not None:
            self._remote.rest()

    def release(self, nbytes: float) -> None:
        """Count that a consumer took one result; those of this process are not counted, as one is in flight."""
        if self._remote is not None:
            self._remote.release(nbytes)

    def close(self) -> None:
        """Close the source, and the driver that went on."""
        if self._remote is not None:
            self._remote.close()
        else:
            self._source.end()

    def _turn(self) -> bool:
        plan = self._policy.next()
        self._answer = self._policy.observe(self._run(plan), self._runner.more())
        if self._runner.over and self._finish is not None:
            self._finish()
        return not self._runner.over

    def _run(self, plan: NextSlice) -> SliceStats:
        """Take a slice of the items through in this process, looking at the clock now and then."""
        runner = self._runner
        runner.begin(timed=plan.timed)
        pauses, began = _pauses(), time.perf_counter()
        left, now = plan.items if self._most is None else min(self._most, plan.items), began
        while left > 0 and now - began < plan.seconds and not runner.over:
            size, before = min(self._chunk, left), now
            left, now = left - max(1, runner.take(size)), time.perf_counter()
            if now - before > _CHUNK_SECONDS:
                self._chunk = max(1, self._chunk // 2)
            elif size == self._chunk:
                self._chunk = min(_CHUNK_ITEMS, 2 * size)
        return runner.end(now - began, _pauses() - pauses, timed=plan.timed)

    def _try_move(self) -> None:
        answer, self._answer = self._answer, "stay"
        text = f"stream of '{self._source.name}': {self._policy.describe()}"
        self._remote = self._move(answer)
        if self._remote is None:
            self._policy.close(answer)
        _log.debug("%s; %s", text, f"goes on with {answer}" if self._remote else f"cannot go on with {answer}")


def _pauses() -> int:
    """Return how often this thread gave up its processor to wait; not how often the processor was taken from it."""
    return resource.getrusage(_USAGE_OF).ru_nvcsw
