"""The one loop over a stream: pull while there is room, send, take answers, merge, pass on.

    source --pull--> cells --dispatch--> workers --answered--> merge --deliver--> ending
    |<------------------------------ window: items in flight ------------------------------>|

The source runs on the caller's thread, without the lock. Everything else happens under the lock, on the caller's
thread between two pulls, or on the helper thread while the caller is stuck in the source (see `helper`).
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from daglite.lazy import lazy
from daglite.options import MIB
from daglite.runtime.dataflow.batching import LONGEST_POLL_WAIT, PullSizer
from daglite.runtime.dataflow.failure_policy import FailurePolicy
from daglite.runtime.dataflow.nested import StreamScope
from daglite.runtime.dataflow.pipeline import SegmentPipeline
from daglite.runtime.dataflow.source import Source
from daglite.runtime.engines.worker_queues import WorkerQueues
from daglite.runtime.kernel.errors import Cancelled
from daglite.runtime.kernel.timers import StepTimer

if TYPE_CHECKING:
    import daglite.events as events
    from daglite.runtime.engines.batch_recorder import WaitReason
else:
    events = lazy("daglite.events")

_SLOW_SOURCE = 0.001
_LONGEST_PULLED_POLL_WAIT = 0.05
# Bytes of one pull, which count when it ends.
_MOST_PULLED = 4 * MIB
# A longer time between two turns, in seconds, is reported as a wait for the consumer.
_CONSUMER_WAIT = 0.001

_log = logging.getLogger("daglite")


class StreamDriver:
    """One pass of a source's items through the workers into an ending."""

    def __init__(
        self,
        *,
        source: Source,
        pipeline: SegmentPipeline,
        failure_policy: FailurePolicy,
        worker_queues: WorkerQueues,
        scope: StreamScope,
        failed_beside: Callable[[], BaseException | None],
        most_asked: int | None = None,
        emit: Callable[[events.Event], None] | None = None,
        stage: int = 0,
        timers: Sequence[StepTimer] = (),
    ) -> None:
        """`failed_beside` gives what ends the run from beside the stream: a single call that failed, or its user.

        No more than `most_asked` items are asked for at once. `emit` takes the events of the stream, which carry the
        number of its `stage`; `timers` are those of the tasks that run in the coordinator, read at the end.
        """
        self._source = source
        self._pipeline = pipeline
        self._failure_policy = failure_policy
        # Where the items of the source go.
        self._first = pipeline.first
        self._worker_queues = worker_queues
        self._failed_beside = failed_beside
        self._pull_size = PullSizer()
        self._most_asked = most_asked
        self._scope = scope
        self._stream_group = scope.stream_group
        self._lock = self._stream_group.lock
        self._helper = self._stream_group.helper
        self._stopped = False
        self._pulling = False
        self._cut = False
        self._closed = False
        self._emit = emit
        self._stage = stage
        self._timers = timers
        self._turn_ended = time.perf_counter()
        scope.flow = self
        self._stream_group.join(self)

    def advance(self) -> bool:
        """One turn, on the caller's thread; False when the stream is over. Raises the error that ends it."""
        if self._emit is None:
            return self._turn()
        self._report_consumer(self._emit)
        try:
            return self._turn()
        finally:
            self._turn_ended = time.perf_counter()

    def _turn(self) -> bool:
        if self._helper is not None:
            self._helper.leave()
        with self._lock:
            if self._stopped:
                return not self._over()
            if self._stream_group.stopped is not None:
                raise self._stream_group.stopped
            self._pipeline.dispatch(hurry=False)
            reason = None if self._emit is None else self._wait_reason()
            self._exchange(self._poll_wait() if self._demand() else None, reason)
            want = self._pipeline.asked = self._demand()
            if not want and self._over():
                return False
            cells = self._first.dispatcher.open_batch() if want else []
        if self._pipeline.cut and not self._cut:
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
            self._pipeline.release(nbytes)

    def close(self) -> None:
        """End the stream and close its source."""
        if self._emit is not None:
            self._report_consumer(self._emit)
        try:
            self._close()
        finally:
            if self._emit is not None and self._timers:
                # Their seconds lie anywhere in the whole stream: no slice of time is theirs.
                steps, self._timers = tuple([timer.take() for timer in self._timers]), ()
                self._emit(events.CompletedLocally(time.perf_counter(), self._stage, 0, 0.0, steps))

    def _close(self) -> None:
        """Stop the helper, then close the source; what is under way is left to the end of the engine.

        One that others pull leaves the helper to them.
        """
        try:
            if self._scope.outer is None:
                self._stream_group.close()
            if not self._closed:
                self._closed = True
                self._stream_group.leave(self)
                # Nobody sees to it any more, while the others go on.
                self._pipeline.retire()
        finally:
            self._source.end()

    def claimed(self) -> int:
        """Items that are in flight in all legs, and such as the source is being asked for, but for one of these."""
        return self._pipeline.in_flight() + max(0, self._pipeline.asked - 1)

    def check(self) -> None:
        """Raise the error that ends this stream, if there is one: whoever it pulls need not go on."""
        with self._lock:
            error = self._failure_policy.error
            if error is not None and not self._failure_policy.poll_timeout(self._pipeline.lowest(), time.monotonic()):
                raise error

    def _poll_wait(self) -> float:
        """How long, in seconds, to wait for an answer before going into the source again.

        Whoever pulls this stream cannot go on with an answer as long as the source keeps the caller: then it is worth
        as much time as the source takes.
        """
        if self._scope.outer is not None:
            return max(LONGEST_POLL_WAIT, min(self._pull_size.seconds, _LONGEST_PULLED_POLL_WAIT))
        return self._pull_size.poll_wait

    def _demand(self) -> int:
        """How many items to pull now: what workers could take at once, within the window."""
        if self._source.finished or self._failure_policy.error is not None or self._pipeline.full():
            return 0
        room = min(self._pipeline.room(), self._pull_size.size)
        return room if self._most_asked is None else min(room, self._most_asked)

    def _pull(self, want: int, cells: list[object]) -> None:
        if self._helper is not None:
            self._helper.enter(slow=self._pull_size.seconds > _SLOW_SOURCE)
        before, nbytes, started = self._source.count, self._source.nbytes, time.perf_counter()
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
            self._failure_policy.record(self._source.count, error, time.monotonic())
        except KeyboardInterrupt:
            # The user ends the wait for a source that hides an error: the error is the news.
            if self._stopped and self._failure_policy.error is not None:
                raise self._failure_policy.error from None
            raise
        finally:
            self._pulling = False
            if self._helper is not None:
                self._helper.leave()
            got = self._source.count - before
            self._first.window.pull(got, self._source.nbytes)
            self._pipeline.asked = 0
            now = time.perf_counter()
            self._pull_size.observe(got, now - started)
            if self._emit is not None:
                nbytes, in_flight = self._source.nbytes - nbytes, self._first.window.in_flight
                self._emit(events.Pulled(now, self._stage, before, got, nbytes, now - started, in_flight))

    def _wait_reason(self) -> WaitReason:
        """Return what the coordinator waits for, should it wait now."""
        full = not self._source.finished and not self._first.window.room()
        return self._stage, "max_in_flight" if full else "workers"

    def _report_consumer(self, emit: Callable[[events.Event], None]) -> None:
        """Report the time since the last turn, in which a consumer may have had items."""
        now = time.perf_counter()
        if now - self._turn_ended > _CONSUMER_WAIT:
            emit(events.Waited(now, self._stage, "consumer", now - self._turn_ended))
        self._turn_ended = now

    # What the company asks of each, under the lock.

    def send(self) -> float | None:
        """Send what waits, while the caller is with another."""
        self._source.hurry()
        try:
            self._pipeline.dispatch(hurry=True)
        except BaseException as error:
            self._failure_policy.record(-1, error, time.monotonic())
        if self._failure_policy.error is not None:
            # One that is final is raised when this one is asked.
            return self._failure_policy.poll_timeout(self._pipeline.lowest(), time.monotonic()) or None
        return 0.0 if self._pipeline.stirred else None

    def pass_on(self) -> None:
        """Pass results on, while the caller is with another."""
        try:
            self._pipeline.move()
        except BaseException as error:
            self._failure_policy.record(-1, error, time.monotonic())

    def relieve(self, timeout: float) -> bool:
        """One turn on the helper thread, while the caller is stuck; tells whether anything is under way."""
        self._source.hurry()
        try:
            self._pipeline.dispatch(hurry=True)
            self._exchange(timeout)
        except BaseException as error:
            self._failure_policy.record(-1, error, time.monotonic())
        beside = self._failed_beside()
        if beside is not None:
            self._failure_policy.record(-1, beside, time.monotonic())
        if self._scope.outer is None:
            self._stop_early()
        return self._pipeline.busy() or any([other.busy() for other in self._stream_group.others(self)])

    def busy(self) -> bool:
        """Whether anything is under way."""
        return self._pipeline.busy()

    def _stop_early(self) -> None:
        """The run has failed, but nobody can interrupt the source: stop the workers now and say what is coming."""
        error = self._failure_policy.error
        if error is not None and not self._failure_policy.poll_timeout(self._pipeline.lowest(), time.monotonic()):
            self._stopped, self._stream_group.stopped = True, error
            self._worker_queues.cancel()
            if not self._pulling or isinstance(error, Cancelled):
                return
            _log.error(
                "%s: %s; it is raised as soon as the source '%s' returns",
                type(error).__name__,
                error,
                self._source.name,
            )

    def _exchange(self, timeout: float | None, reason: WaitReason | None = None) -> None:
        """Take answers, waiting for them if need be, pass results on, and use the places that became free."""
        if self._failure_policy.error is not None:
            timeout = self._failure_policy.poll_timeout(self._pipeline.lowest(), time.monotonic())
        elif self._pipeline.stirred or not self._pipeline.busy():
            timeout = 0.0
        others = self._stream_group.others(self)
        for other in others:
            timeout = _shorter(timeout, other.send())
        self._worker_queues.poll(timeout, reason)
        for other in others:
            other.pass_on()
        self._pipeline.move()

    def _over(self) -> bool:
        if self._pipeline.full():
            # An error of an item behind the last one is nobody's business: that item was not asked for.
            return True
        error = self._failure_policy.error
        if error is not None:
            if not self._stopped and self._failure_policy.poll_timeout(self._pipeline.lowest(), time.monotonic()) > 0:
                return False
            raise error
        return self._pipeline.over()


def _shorter(one: float | None, other: float | None) -> float | None:
    """The shorter of two waits; None is one without end."""
    if one is None or other is None:
        return other if one is None else one
    return min(one, other)
