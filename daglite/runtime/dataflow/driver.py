"""The one loop over a stream: pull while there is room, send, take answers, merge, pass on.

    source --pull--> cells --dispatch--> workers --answered--> merge --deliver--> ending
    |<------------------------------ window: items in flight ------------------------------>|

The source runs on the caller's thread, without the lock. Everything else happens under the lock, on the caller's
thread between two pulls, or on the helper thread while the caller is stuck in the source (see `helper`).
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable

from daglite.options import MIB
from daglite.runtime.dataflow.batching import LONGEST_LULL, PullSizer
from daglite.runtime.dataflow.failure_policy import FailurePolicy
from daglite.runtime.dataflow.nested import StreamScope
from daglite.runtime.dataflow.pipeline import SegmentPipeline
from daglite.runtime.dataflow.source import Source
from daglite.runtime.engines.worker_queues import WorkerQueues
from daglite.runtime.kernel.errors import Cancelled

_SLOW_SOURCE = 0.001
_LONGEST_PULLED_LULL = 0.05
# Bytes of one pull, which count when it ends.
_MOST_PULLED = 4 * MIB

_log = logging.getLogger("daglite")


class StreamDriver:
    """One pass of a source's items through the workers into an ending."""

    def __init__(
        self,
        *,
        source: Source,
        route: SegmentPipeline,
        verdict: FailurePolicy,
        boards: WorkerQueues,
        nest: StreamScope,
        failed_beside: Callable[[], BaseException | None],
        most_asked: int | None = None,
    ) -> None:
        """`failed_beside` gives what ends the run from beside the stream: a single call that failed, or its user.

        No more than `most_asked` items are asked for at once.
        """
        self._source = source
        self._route = route
        self._verdict = verdict
        # Where the items of the source go.
        self._first = route.first
        self._boards = boards
        self._failed_beside = failed_beside
        self._pull_size = PullSizer()
        self._most_asked = most_asked
        self._nest = nest
        self._company = nest.company
        self._lock = self._company.lock
        self._helper = self._company.helper
        self._stopped = False
        self._pulling = False
        self._cut = False
        self._closed = False
        nest.flow = self
        self._company.join(self)

    def advance(self) -> bool:
        """One turn, on the caller's thread; False when the stream is over. Raises the error that ends it."""
        if self._helper is not None:
            self._helper.leave()
        with self._lock:
            if self._stopped:
                return not self._over()
            if self._company.stopped is not None:
                raise self._company.stopped
            self._route.dispatch(hurry=False)
            self._exchange(self._lull() if self._appetite() else None)
            want = self._route.asked = self._appetite()
            if not want and self._over():
                return False
            cells = self._first.shipping.intake() if want else []
        if self._route.cut and not self._cut:
            # Nobody wants more of it, and it may hold files while the rest goes on.
            self._cut = True
            self._source.close()
        if want:
            self._pull(want, cells)
        return True

    def rest(self) -> None:
        """The caller is away, between two items of a consumer: the helper goes on with what is under way."""
        if self._helper is not None:
            self._helper.enter(slow=False)

    def release(self, nbytes: float) -> None:
        """A consumer took one item out of an ending that keeps them."""
        if self._helper is not None:
            self._helper.leave()
        with self._lock:
            self._route.release(nbytes)

    def close(self) -> None:
        """Stop the helper, then close the source; what is under way is left to the end of the engine.

        One that others pull leaves the helper to them.
        """
        try:
            if self._nest.outer is None:
                self._company.close()
            if not self._closed:
                self._closed = True
                self._company.leave(self)
                # Nobody sees to it any more, while the others go on.
                self._route.retire()
        finally:
            self._source.end()

    def claimed(self) -> int:
        """Items that are in flight in all legs, and such as the source is being asked for, but for one of these."""
        return self._route.in_flight() + max(0, self._route.asked - 1)

    def check(self) -> None:
        """Raise the error that ends this stream, if there is one: whoever it pulls need not go on."""
        with self._lock:
            error = self._verdict.error
            if error is not None and not self._verdict.patience(self._route.lowest(), time.monotonic()):
                raise error

    def _lull(self) -> float:
        """How long, in seconds, to wait for an answer before going into the source again.

        Whoever pulls this stream cannot go on with an answer as long as the source keeps the caller: then it is worth
        as much time as the source takes.
        """
        if self._nest.outer is not None:
            return max(LONGEST_LULL, min(self._pull_size.seconds, _LONGEST_PULLED_LULL))
        return self._pull_size.lull

    def _appetite(self) -> int:
        """How many items to pull now: what workers could take at once, within the window."""
        if self._source.finished or self._verdict.error is not None or self._route.full():
            return 0
        room = min(self._route.room(), self._pull_size.size)
        return room if self._most_asked is None else min(room, self._most_asked)

    def _pull(self, want: int, cells: list[object]) -> None:
        if self._helper is not None:
            self._helper.enter(slow=self._pull_size.seconds > _SLOW_SOURCE)
        before, started = self._source.count, time.perf_counter()
        try:
            self._pulling = True
            self._source.pull(
                want,
                cells,
                min(self._first.window.left(), _MOST_PULLED),
                watched=self._helper is not None and self._helper.awake,
            )
        except Exception as error:
            # It comes after every item that was yielded before it.
            self._verdict.record(self._source.count, error, time.monotonic())
        except KeyboardInterrupt:
            # The user ends the wait for a source that hides an error: the error is the news.
            if self._stopped and self._verdict.error is not None:
                raise self._verdict.error from None
            raise
        finally:
            self._pulling = False
            if self._helper is not None:
                self._helper.leave()
            got = self._source.count - before
            self._first.window.pull(got, self._source.nbytes)
            self._route.asked = 0
            self._pull_size.observe(got, time.perf_counter() - started)

    # What the company asks of each, under the lock.

    def send(self) -> float | None:
        """Send what waits, while the caller is with another."""
        self._source.hurry()
        try:
            self._route.dispatch(hurry=True)
        except BaseException as error:
            self._verdict.record(-1, error, time.monotonic())
        if self._verdict.error is not None:
            # One that is final is raised when this one is asked.
            return self._verdict.patience(self._route.lowest(), time.monotonic()) or None
        return 0.0 if self._route.stirred else None

    def pass_on(self) -> None:
        """Pass results on, while the caller is with another."""
        try:
            self._route.move()
        except BaseException as error:
            self._verdict.record(-1, error, time.monotonic())

    def relieve(self, timeout: float) -> bool:
        """One turn on the helper thread, while the caller is stuck; tells whether anything is under way."""
        self._source.hurry()
        try:
            self._route.dispatch(hurry=True)
            self._exchange(timeout)
        except BaseException as error:
            self._verdict.record(-1, error, time.monotonic())
        beside = self._failed_beside()
        if beside is not None:
            self._verdict.record(-1, beside, time.monotonic())
        if self._nest.outer is None:
            self._stop_early()
        return self._route.busy() or any([other.busy() for other in self._company.others(self)])

    def busy(self) -> bool:
        """Whether anything is under way."""
        return self._route.busy()

    def _stop_early(self) -> None:
        """The run has failed, but nobody can interrupt the source: stop the workers now and say what is coming."""
        error = self._verdict.error
        if error is not None and not self._verdict.patience(self._route.lowest(), time.monotonic()):
            self._stopped, self._company.stopped = True, error
            self._boards.abandon()
            if not self._pulling or isinstance(error, Cancelled):
                return
            _log.error(
                "%s: %s; it is raised as soon as the source '%s' returns",
                type(error).__name__,
                error,
                self._source.name,
            )

    def _exchange(self, timeout: float | None) -> None:
        """Take answers, waiting for them if need be, pass results on, and use the places that became free."""
        if self._verdict.error is not None:
            timeout = self._verdict.patience(self._route.lowest(), time.monotonic())
        elif self._route.stirred or not self._route.busy():
            timeout = 0.0
        others = self._company.others(self)
        for other in others:
            timeout = _shorter(timeout, other.send())
        self._boards.poll(timeout)
        for other in others:
            other.pass_on()
        self._route.move()

    def _over(self) -> bool:
        if self._route.full():
            # An error of an item behind the last one is nobody's business: that item was not asked for.
            return True
        error = self._verdict.error
        if error is not None:
            if not self._stopped and self._verdict.patience(self._route.lowest(), time.monotonic()) > 0:
                return False
            raise error
        return self._route.over()


def _shorter(one: float | None, other: float | None) -> float | None:
    """The shorter of two waits; None is one without end."""
    if one is None or other is None:
        return other if one is None else one
    return min(one, other)
