"""Worker queues: each submitted work item has a handler, and exclusive work items wait for an idle worker.

    dispatcher, single calls, tree reduce --submit--> WorkerQueue --> engine
    handler(work_result) <------------------poll----- WorkerQueue <-- engine

A run has a `WorkerQueue` for each of its engines, and one `WorkerQueues` that waits for all of them.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from itertools import count
from typing import TYPE_CHECKING

from daglite.runtime.engines.base import CombiningEngine, Engine, NotifyingEngine, SelectorEngine, TimedEngine
from daglite.runtime.kernel.bound_step import BoundStep
from daglite.runtime.kernel.work import WorkItem, WorkResult

if TYPE_CHECKING:
    from daglite.runtime.engines.batch_recorder import BatchRecorder, WaitReason

# Returns the number of a new work item: an engine that serves many runs never receives one twice.
new_seq: Callable[[], int] = count().__next__

Handler = Callable[[WorkResult], None]


class WorkerQueue:
    """The work items of one engine, which the stream that runs and the single calls share."""

    def __init__(self, engine: Engine, recorder: BatchRecorder | None = None) -> None:
        """`recorder` emits the events of its batches, in a run that has observers."""
        self.engine = engine
        self._recorder = recorder
        self.combiner = engine if isinstance(engine, CombiningEngine) else None
        self.timed = engine if isinstance(engine, TimedEngine) else None
        # Of the work items in flight, by number.
        self._handlers: dict[int, Handler] = {}
        # Work items that go before all others.
        self._queue: deque[WorkItem] = deque()

    def install(self, steps: Sequence[BoundStep]) -> int:
        """Register a program with the engine and return its number; see `Engine.install`."""
        program = self.engine.install(steps)
        if self._recorder is not None:
            self._recorder.install(program, steps[0].number)
        return program

    @property
    def busy(self) -> bool:
        """Whether a work item has no result yet."""
        return bool(self._handlers)

    def credits(self) -> int:
        """Return how many batches may be submitted now; none while a work item waits for a worker of its own."""
        return 0 if self._queue else self.engine.credits()

    def submit(self, work_item: WorkItem, handler: Handler) -> None:
        """Submit a work item to the engine. Requires `credits() > 0`, or a work item for a certain worker."""
        self._handlers[work_item.seq] = handler
        if self._recorder is not None:
            self._recorder.submitting(work_item)
        self.engine.submit(work_item)

    def submit_first(self, work_item: WorkItem, handler: Handler) -> None:
        """Submit a work item as soon as the engine takes it, before any further batch.

        These are exclusive work items, which wait for an idle worker, and those that combine partials.
        """
        self._handlers[work_item.seq] = handler
        self._queue.append(work_item)
        self._submit_queued()

    def poll(self, timeout: float | None, reason: WaitReason | None = None) -> int:
        """Pass the results that are there to their handlers and return their number; wait up to `timeout` seconds.

        With a `reason` the wait is reported to observers.
        """
        if self._queue:
            self._submit_queued()
        recorder = self._recorder
        work_results = self.engine.poll(timeout) if recorder is None else recorder.poll(timeout, reason)
        for work_result in work_results:
            more = work_result.kind == "chunk"
            handler = self._handlers[work_result.seq] if more else self._handlers.pop(work_result.seq)
            handler(work_result)
        if self._queue:
            self._submit_queued()
        return len(work_results)

    def cancel(self) -> None:
        """Drop the work items that are queued or in flight; no handler is called any more."""
        self._queue.clear()
        self._handlers.clear()
        self.engine.cancel()
        if self._recorder is not None:
            self._recorder.cancel()

    def _submit_queued(self) -> None:
        queue, engine = self._queue, self.engine
        while queue and (engine.has_idle_worker() if queue[0].exclusive else engine.credits()):
            work_item = queue.popleft()
            if self._recorder is not None:
                self._recorder.submitting(work_item)
            if work_item.kind == "combine":
                assert self.combiner is not None
                self.combiner.combine(work_item)
            else:
                engine.submit(work_item)
            engine.flush()


class WorkerQueues:
    """The worker queues of a run. The loop waits in the primary engine; results in the others end that wait."""

    def __init__(self) -> None:
        self._queues: list[WorkerQueue] = []

    def add(self, worker_queue: WorkerQueue) -> None:
        """Wait for this queue as well.

        The primary engine is one that can watch the file descriptors of others, if there is any.
        """
        self._connect(on=False)
        self._queues.append(worker_queue)
        self._queues.sort(key=lambda queue: not isinstance(queue.engine, SelectorEngine))
        self._connect(on=True)

    def poll(self, timeout: float | None, reason: WaitReason | None = None) -> int:
        """Pass the results that are there to their handlers and return their number; wait up to `timeout` seconds.

        With None, return at once when no work item is in flight, as nothing would end the wait. With a `reason` the
        wait is reported to observers.
        """
        if len(self._queues) == 1:
            queue = self._queues[0]
            return queue.poll(0.0 if timeout is None and not queue.busy else timeout, reason)
        first, *others = self._queues
        count = sum([queue.poll(0.0) for queue in others])
        if count or (timeout is None and not any([queue.busy for queue in self._queues])):
            timeout = 0.0
        for queue in others if timeout != 0.0 else ():
            if queue.timed is not None:
                timeout = queue.timed.poll_timeout(timeout)
        # A result that has arrived in another engine since it was polled ends this wait before it begins.
        return count + first.poll(timeout, reason) + sum([queue.poll(0.0) for queue in others])

    def wake(self) -> None:
        """End a `poll` that waits in another thread."""
        for queue in self._queues[:1]:
            queue.engine.wake()

    def cancel(self) -> None:
        """Drop the work items of all queues."""
        for queue in self._queues:
            queue.cancel()

    def close(self) -> None:
        """Disconnect the engines from each other: each may go on to another run."""
        self._connect(on=False)
        self._queues.clear()

    def _connect(self, *, on: bool) -> None:
        """Let results in the other engines end a wait in the primary one, or no longer."""
        for queue in self._queues[1:]:
            primary, engine = self._queues[0].engine, queue.engine
            if isinstance(engine, NotifyingEngine):
                engine.notify(primary.wake if on else None)
            elif isinstance(engine, SelectorEngine):
                # They come first, so the primary engine is one too.
                assert isinstance(primary, SelectorEngine)
                primary.watch(engine.fileno(), on=on)
