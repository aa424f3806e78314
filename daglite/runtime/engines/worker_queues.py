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
from daglite.runtime.kernel.steps import BoundStep
from daglite.runtime.kernel.work import BatchContext, PartialRef, WorkItem, WorkKind, WorkResult
from daglite.runtime.serialization.codec import Packed

if TYPE_CHECKING:
    from daglite.runtime.engines.batch_recorder import BatchRecorder, WaitReason

# Shared by all queues of this process: an engine that serves many runs never receives a number twice.
_NUMBERS = count()

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
        # Work items that go before all others: exclusive ones, and those that combine partials.
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

    def submit(
        self,
        program: int,
        first: int,
        items: int,
        segments: Packed,
        handler: Handler,
        notes: BatchContext | None = None,
        *,
        light: bool = False,
        keep: int | None = None,
    ) -> None:
        """Submit a batch to the engine. Requires `credits() > 0`."""
        seq = self._register(handler)
        self._submit(WorkItem(seq, program, "batch", segments, items, first, False, light, None, notes, keep))

    def resume(
        self,
        program: int,
        first: int,
        segments: Packed,
        handler: Handler,
        worker: int | None,
        notes: BatchContext | None = None,
    ) -> None:
        """Ask a worker to continue a result that it began, whatever else it has in flight."""
        seq = self._register(handler)
        self._submit(WorkItem(seq, program, "batch", segments, 1, first, worker=worker, notes=notes))

    def submit_exclusive(
        self,
        program: int,
        kind: WorkKind,
        segments: Packed,
        handler: Handler,
        *,
        first: int = 0,
        notes: BatchContext | None = None,
        keep: int | None = None,
    ) -> None:
        """Submit a work item of one item as soon as a worker is idle; the worker then has no other work."""
        seq = self._register(handler)
        self._queue.append(WorkItem(seq, program, kind, segments, 1, first, exclusive=True, notes=notes, keep=keep))
        self._submit_queued()

    def combine(
        self, program: int, parts: Sequence[PartialRef], handler: Handler, *, keep: int | None, exclusive: bool
    ) -> None:
        """Combine partials that the workers keep, before any further batch."""
        seq = self._register(handler)
        self._queue.append(WorkItem(seq, program, "combine", (), 0, exclusive=exclusive, keep=keep, parts=parts))
        self._submit_queued()

    def poll(self, timeout: float | None, reason: WaitReason | None = None) -> int:
        """Pass the results that are there to their handlers and return their number; wait up to `timeout` seconds.

        Observers are told of the wait if there is a `reason`.
        """
        if self._queue:
            self._submit_queued()
        recorder = self._recorder
        work_results = self.engine.poll(timeout) if recorder is None else recorder.poll(timeout, reason)
        for work_result in work_results:
            more = work_result.kind == "piece"
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

    def _register(self, handler: Handler) -> int:
        seq = next(_NUMBERS)
        self._handlers[seq] = handler
        return seq

    def _submit_queued(self) -> None:
        queue, engine = self._queue, self.engine
        while queue and (engine.has_idle_worker() if queue[0].exclusive else engine.credits()):
            self._submit(queue.popleft())
            engine.flush()

    def _submit(self, work_item: WorkItem) -> None:
        if self._recorder is not None:
            self._recorder.submitting(work_item)
        if work_item.kind == "combine":
            assert self.combiner is not None
            self.combiner.combine(work_item)
        else:
            self.engine.submit(work_item)


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

    @property
    def primary(self) -> Engine:
        """The engine in which the loop waits."""
        return self._queues[0].engine

    def poll(self, timeout: float | None, reason: WaitReason | None = None) -> int:
        """Pass the results that are there to their handlers and return their number; wait up to `timeout` seconds.

        Observers are told of the wait if there is a `reason`. With None, return at once when no work item is in flight, as nothing would end the wait.
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
        for engine in [queue.engine for queue in self._queues[1:]]:
            if isinstance(engine, NotifyingEngine):
                engine.notify(self.primary.wake if on else None)
            elif isinstance(engine, SelectorEngine):
                # They come first, so the primary engine is one too.
                assert isinstance(self.primary, SelectorEngine)
                self.primary.watch(engine.fileno(), on=on)
