"""The loop of a stream: pull while there is room, send batches, receive results, reorder them, deliver them.

    source --pull--> items --dispatch--> workers --results--> reorder buffer --deliver--> sink
    |<------------------------- flow control: items in flight ------------------------------->|

The source runs on the caller's thread, without the lock. Everything else happens under the lock, on the caller's
thread between two pulls, or on the helper thread while the caller is blocked in the source (see `helper_thread`).
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from daglite.lazy import lazy
from daglite.options import MIB
from daglite.runtime.dataflow.batching import LONGEST_POLL_WAIT, PullSizer
from daglite.runtime.dataflow.helper_thread import HelperThread
from daglite.runtime.dataflow.pipeline import SegmentPipeline
from daglite.runtime.dataflow.source import Closable, close_all
from daglite.runtime.engines.worker_queues import WorkerQueues
from daglite.runtime.kernel.errors import Cancelled
from daglite.runtime.kernel.timers import StepTimer

if TYPE_CHECKING:
    import daglite.events as events
    from daglite.runtime.engines.batch_recorder import WaitReason
else:
    events = lazy("daglite.events")

_SLOW_SOURCE = 0.001
_LONGEST_NESTED_POLL_WAIT = 0.05
# The bytes of a pull are counted when it ends, so they have a bound of their own.
_MAX_PULL_BYTES = 4 * MIB
# A longer time between two turns, in seconds, is reported as a wait for the consumer.
_CONSUMER_WAIT = 0.001

_log = logging.getLogger("daglite")


class StreamGroup:
    """The streams with workers that run at the same time: a stream and those nested in it.

    They share a lock, a helper thread and the wait for workers. The stream that waits also sends and delivers for the
    others, so that each proceeds while another is pulled.
    """

    def __init__(
        self, worker_queues: WorkerQueues, external_error: Callable[[], BaseException | None], *, helper_thread: bool
    ) -> None:
        """`external_error` returns an error that ends the streams: of a single call, or a cancellation."""
        self.worker_queues = worker_queues
        self.external_error = external_error
        self.lock = threading.Lock()
        self.helper = HelperThread(self._help, worker_queues.wake) if helper_thread else None
        # The error because of which all work was stopped.
        self.stopped: BaseException | None = None
        # The outermost stream is the last.
        self._drivers: list[StreamDriver] = []

    def join(self, driver: StreamDriver) -> None:
        """Add a stream."""
        with self.lock:
            self._drivers.append(driver)

    def leave(self, driver: StreamDriver) -> None:
        """Remove a stream; the helper thread ends with the last of them."""
        if self.helper is not None:
            self.helper.leave()
        with self.lock:
            self._drivers.remove(driver)
        if not self._drivers:
            self.close()

    def close(self) -> None:
        """End the helper thread and wait for its end."""
        if self.helper is not None:
            self.helper.close()

    def others(self, driver: StreamDriver) -> Sequence[StreamDriver]:
        """Return all other streams, outer before nested ones: what an outer stream delivers makes room for these."""
        if len(self._drivers) == 1:
            return ()
        return [other for other in reversed(self._drivers) if other is not driver]

    def _help(self, timeout: float) -> bool:
        with self.lock:
            if self.helper is None or not self.helper.away() or self.stopped is not None or not self._drivers:
                return False
            return self._drivers[-1].help(timeout)


class StreamScope:
    """The position of a stream among nested streams: its group, and the scope that pulls it (`outer`, or None).

    `driver` is set once the stream has workers; `share` is the number of streams that share the bytes in flight.
    """

    def __init__(self, stream_group: StreamGroup, outer: StreamScope | None = None, *, share: int = 1) -> None:
        self.stream_group = stream_group
        self.outer = outer
        self.share = share
        self.driver: StreamDriver | None = None
        # The streams nested in this one.
        self.nested: list[Closable] = []

    def enter(self) -> StreamScope:
        """Return the scope of a stream nested in this one."""
        return StreamScope(self.stream_group, self, share=self.share)

    def taken(self) -> int:
        """Return how many of the items in flight belong to outer streams, without those that they are pulling."""
        outer = self.outer
        return 0 if outer is None else outer.taken() + (0 if outer.driver is None else outer.driver.claimed())

    def check(self) -> None:
        """Raise the error that has ended an outer stream, which needs no more items."""
        if self.outer is not None:
            if self.outer.driver is not None:
                self.outer.driver.check()
            self.outer.check()

    def close(self) -> None:
        """Close the nested streams."""
        close_all(self.nested)


class StreamDriver:
    """Moves the items of a source through workers into a sink."""

    def __init__(
        self,
        pipeline: SegmentPipeline,
        scope: StreamScope,
        *,
        max_pull: int | None = None,
        emit: Callable[[events.Event], None] | None = None,
        stage: int = 0,
        timers: Sequence[StepTimer] = (),
    ) -> None:
        """A pull asks for at most `max_pull` items.

        `emit` receives the events of the stream, which carry the number of its `stage`; `timers` are those of the tasks
        that run in the coordinator, read at the end.
        """
        self._pipeline = pipeline
        self._failure_policy = pipeline.failure_policy
        # The segment that receives the items of the source.
        self._first = pipeline.first
        self._source = pipeline.first.origin
        self._pull_sizer = PullSizer()
        self._max_pull = max_pull
        self._scope = scope
        self._stream_group = scope.stream_group
        self._lock = self._stream_group.lock
        self._helper = self._stream_group.helper
        self._stopped = False
        self._pulling = False
        self._source_closed = False
        self._closed = False
        self._emit = emit
        self._stage = stage
        self._timers = timers
        self._turn_ended = time.perf_counter()
        scope.driver = self
        self._stream_group.join(self)

    def advance(self) -> bool:
        """Do one turn on the caller's thread; return False when the stream is over. Raise the error that ends it."""
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
            want = self._pipeline.pulling = self._demand()
            if not want and self._over():
                return False
            batch = self._first.dispatcher.open_batch() if want else []
        if self._pipeline.cut and not self._source_closed:
            # No more items are needed, and the source may hold files while the rest of the stream goes on.
            self._source_closed = True
            self._source.close()
        if want:
            self._pull(want, batch)
        return True

    def rest(self) -> None:
        """Let the helper thread continue the work in flight while a consumer has an item."""
        if self._helper is not None:
            self._helper.enter(slow=False)

    def release(self, nbytes: float) -> None:
        """Count an item that a consumer took out of the output queue."""
        if self._helper is not None:
            self._helper.leave()
        with self._lock:
            self._pipeline.release(nbytes)

    def close(self) -> None:
        """Stop the helper thread, then close the source. Work in flight is left to the end of the engine.

        A nested stream leaves the helper thread to the others.
        """
        if self._emit is not None:
            self._report_consumer(self._emit)
        try:
            if self._scope.outer is None:
                self._stream_group.close()
            if not self._closed:
                self._closed = True
                self._stream_group.leave(self)
                # The other streams go on, and this one is not served any more.
                self._pipeline.retire()
        finally:
            self._source.end()
            if self._emit is not None and self._timers:
                # Their seconds are spread over the whole stream, so the event has no seconds of its own.
                steps, self._timers = tuple([timer.take() for timer in self._timers]), ()
                self._emit(events.CompletedLocally(time.perf_counter(), self._stage, 0, 0.0, steps))

    def claimed(self) -> int:
        """Return how many items are in flight in all segments or being pulled, without one that is being pulled."""
        return self._pipeline.in_flight() + max(0, self._pipeline.pulling - 1)

    def check(self) -> None:
        """Raise the error that ends this stream, if there is one, so that a nested stream stops."""
        with self._lock:
            if self._failure_policy.error is not None and not self._error_wait():
                raise self._failure_policy.error

    def _poll_wait(self) -> float:
        """Return how many seconds to wait for a result before the next pull.

        An outer stream cannot use a result while the caller is in the source of this one: then a result is worth a
        wait as long as the pull.
        """
        if self._scope.outer is not None:
            return max(LONGEST_POLL_WAIT, min(self._pull_sizer.seconds, _LONGEST_NESTED_POLL_WAIT))
        return self._pull_sizer.poll_wait

    def _demand(self) -> int:
        """Return how many items to pull now: as many as workers could take at once, within flow control."""
        if self._source.finished or self._failure_policy.error is not None or self._pipeline.full():
            return 0
        room = min(self._pipeline.room(), self._pull_sizer.size)
        return room if self._max_pull is None else min(room, self._max_pull)

    def _pull(self, want: int, batch: list[object]) -> None:
        if self._helper is not None:
            self._helper.enter(slow=self._pull_sizer.seconds > _SLOW_SOURCE)
        first, nbytes, started = self._source.count, self._source.nbytes, time.perf_counter()
        try:
            self._pulling = True
            self._source.pull(
                want,
                batch,
                min(self._first.flow_control.left(), _MAX_PULL_BYTES),
                watched=self._helper is not None and self._helper.started,
            )
        except Exception as error:
            # It ranks after the errors of all items that were yielded before it.
            self._failure_policy.record(self._source.count, error, time.monotonic())
        except KeyboardInterrupt:
            # The user ends the wait for a source that hides an error: raise the error.
            if self._stopped and self._failure_policy.error is not None:
                raise self._failure_policy.error from None
            raise
        finally:
            self._pulling = False
            if self._helper is not None:
                self._helper.leave()
            count = self._source.count - first
            self._first.flow_control.pull(count, self._source.nbytes)
            self._pipeline.pulling = 0
            now = time.perf_counter()
            self._pull_sizer.observe(count, now - started)
            if self._emit is not None:
                nbytes, in_flight = self._source.nbytes - nbytes, self._first.flow_control.in_flight
                self._emit(events.Pulled(now, self._stage, first, count, nbytes, now - started, in_flight))

    def _wait_reason(self) -> WaitReason:
        full = not self._source.finished and not self._first.flow_control.room()
        return self._stage, "max_in_flight" if full else "workers"

    def _report_consumer(self, emit: Callable[[events.Event], None]) -> None:
        """Report the time since the last turn, in which a consumer may have had items."""
        now = time.perf_counter()
        if now - self._turn_ended > _CONSUMER_WAIT:
            emit(events.Waited(now, self._stage, "consumer", now - self._turn_ended))
        self._turn_ended = now

    # The group calls these methods, under the lock.

    def send(self) -> float | None:
        """Send what waits while another stream has the caller; return the longest wait for results, None if any."""
        self._source.hurry()
        try:
            self._pipeline.dispatch(hurry=True)
        except BaseException as error:
            self._fail(error)
        if self._failure_policy.error is not None:
            # A final error is raised at the next turn of this stream.
            return self._error_wait() or None
        return 0.0 if self._pipeline.moved else None

    def deliver(self) -> None:
        """Deliver results while another stream has the caller."""
        try:
            self._pipeline.move()
        except BaseException as error:
            self._fail(error)

    def help(self, timeout: float) -> bool:
        """Do one turn on the helper thread; return whether anything is in flight."""
        self._source.hurry()
        try:
            self._pipeline.dispatch(hurry=True)
            self._exchange(timeout)
        except BaseException as error:
            self._fail(error)
        external_error = self._stream_group.external_error()
        if external_error is not None:
            self._fail(external_error)
        if self._scope.outer is None:
            self._stop_early()
        return self.busy() or any([other.busy() for other in self._stream_group.others(self)])

    def busy(self) -> bool:
        """Return whether anything is in flight or waits to be sent."""
        return self._pipeline.busy()

    def _fail(self, error: BaseException) -> None:
        """Record an error that precedes those of all items."""
        self._failure_policy.record(-1, error, time.monotonic())

    def _error_wait(self) -> float:
        """Return for how many seconds an error may arrive that precedes the recorded one; 0 if that is final."""
        return self._failure_policy.poll_timeout(self._pipeline.lowest(), time.monotonic())

    def _stop_early(self) -> None:
        """Stop the workers of a run that has failed while the source blocks the caller, and log the error."""
        error = self._failure_policy.error
        if error is not None and not self._error_wait():
            self._stopped, self._stream_group.stopped = True, error
            self._stream_group.worker_queues.cancel()
            if not self._pulling or isinstance(error, Cancelled):
                return
            _log.error(
                "%s: %s; it is raised as soon as the source '%s' returns",
                type(error).__name__,
                error,
                self._source.name,
            )

    def _exchange(self, timeout: float | None, reason: WaitReason | None = None) -> None:
        """Receive results, waiting for them up to `timeout` seconds, deliver them, and use the room that they leave."""
        if self._failure_policy.error is not None:
            timeout = self._error_wait()
        elif self._pipeline.moved or not self._pipeline.busy():
            timeout = 0.0
        others = self._stream_group.others(self)
        if others:
            waits = [wait for wait in (timeout, *[other.send() for other in others]) if wait is not None]
            timeout = min(waits, default=None)
        self._stream_group.worker_queues.poll(timeout, reason)
        for other in others:
            other.deliver()
        self._pipeline.move()

    def _over(self) -> bool:
        if self._pipeline.full():
            # An error of a later item does not count: that item was not asked for.
            return True
        error = self._failure_policy.error
        if error is None:
            return self._pipeline.over()
        if not self._stopped and self._error_wait() > 0:
            return False
        raise error
