"""The board: who waits for which reply, and whose turn it is at an idle worker."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from itertools import count
from typing import TYPE_CHECKING

from daglite.runtime.engines.base import Engine
from daglite.runtime.kernel.steps import BoundStep
from daglite.runtime.kernel.work import BatchContext, PartialRef, WorkItem, WorkKind, WorkResult
from daglite.runtime.serialization.codec import Packed

if TYPE_CHECKING:
    from daglite.runtime.engines.batch_recorder import BatchRecorder, WaitReason

# For all boards of this process: a pool that serves many runs never sees a number twice.
_NUMBERS = count()

Handler = Callable[[WorkResult], None]


class WorkerQueue:
    """One engine shared by the stream that runs and the single calls beside it."""

    def __init__(self, engine: Engine, recorder: BatchRecorder | None = None) -> None:
        """`recorder` emits the events of its batches, in a run that has observers."""
        self.engine = engine
        self._recorder = recorder
        self._submit = engine.submit if recorder is None else recorder.submit
        self._handlers: dict[int, Handler] = {}
        self._queue: deque[WorkItem] = deque()

    def install(self, steps: Sequence[BoundStep]) -> int:
        """Make a program known to the engine and return its number; see `Engine.install`."""
        program = self.engine.install(steps)
        if self._recorder is not None:
            self._recorder.install(program, steps[0].number)
        return program

    def free(self) -> int:
        """How many batches may be submitted now; none while something waits for a worker of its own."""
        return 0 if self._queue else self.engine.free()

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
        """Send a batch now; only when there is a `free()` place."""
        seq = self._number(handler)
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
        """Ask a worker to go on with what it has begun, whatever else it has to do."""
        self._submit(WorkItem(self._number(handler), program, "batch", segments, 1, first, worker=worker, notes=notes))

    def queue(
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
        """Send a chunk of one item as soon as a worker is idle, which then has nothing else to do."""
        seq = self._number(handler)
        self._queue.append(WorkItem(seq, program, kind, segments, 1, first, exclusive=True, notes=notes, keep=keep))
        self._launch()

    def combine(
        self, program: int, parts: Sequence[PartialRef], handler: Handler, *, keep: int | None, exclusive: bool
    ) -> None:
        """Have parts put together before any other batch is sent, where they are as far as can be."""
        seq = self._number(handler)
        self._queue.append(WorkItem(seq, program, "combine", (), 0, exclusive=exclusive, keep=keep, parts=parts))
        self._launch()

    def poll(self, timeout: float | None, reason: WaitReason | None = None) -> int:
        """Hand out the replies that are here; wait up to `timeout` seconds for one. Returns how many there were.

        Observers are told of the wait if there is a `reason`.
        """
        # When nothing is under way, nothing could end a wait; workers may be missing all the same.
        return self.wait(0.0 if timeout is None and not self._handlers else timeout, reason)

    @property
    def waits(self) -> bool:
        """Whether anything is under way."""
        return bool(self._handlers)

    def wait(self, timeout: float | None, reason: WaitReason | None = None) -> int:
        """As `poll`, but somebody else may end the wait."""
        if self._queue:
            self._launch()
        recorder = self._recorder
        work_results = self.engine.ready(timeout) if recorder is None else recorder.ready(timeout, reason)
        for work_result in work_results:
            more = work_result.kind == "piece"
            handler = self._handlers[work_result.seq] if more else self._handlers.pop(work_result.seq)
            handler(work_result)
        if self._queue:
            self._launch()
        return len(work_results)

    def abandon(self) -> None:
        """Nobody waits for anything any more."""
        self._queue.clear()
        self._handlers.clear()
        self.engine.abandon()
        if self._recorder is not None:
            self._recorder.abandon()

    def _number(self, handler: Handler) -> int:
        seq = next(_NUMBERS)
        self._handlers[seq] = handler
        return seq

    def _launch(self) -> None:
        while self._queue and (self.engine.idle() if self._queue[0].exclusive else self.engine.free()):
            self._submit(self._queue.popleft())
            self.engine.flush()


class WorkerQueues:
    """All boards of a run, waited for together: whichever engine answers, the one loop that waits goes on."""

    def __init__(self) -> None:
        self._worker_queues: list[WorkerQueue] = []

    def add(self, worker_queue: WorkerQueue) -> None:
        """From now on wait for this one as well.

        The wait is that of one session, which answers elsewhere end: of one that attends to others, if there is any.
        """
        self._worker_queues.append(worker_queue)
        self._worker_queues.sort(key=lambda one: not one.engine.attends)
        for one in self._worker_queues:
            one.engine.alert(None)
        for other in self._worker_queues[1:]:
            other.engine.alert(self._worker_queues[0].engine)

    def poll(self, timeout: float | None, reason: WaitReason | None = None) -> int:
        """Hand out the replies that are here; wait up to `timeout` seconds for one. Returns how many there were.

        Observers are told of the wait if there is a `reason`.
        """
        if len(self._worker_queues) == 1:
            return self._worker_queues[0].poll(timeout, reason)
        first, *others = self._worker_queues
        count = sum([worker_queue.poll(0.0) for worker_queue in others])
        if count or (timeout is None and not any([worker_queue.waits for worker_queue in self._worker_queues])):
            timeout = 0.0
        for worker_queue in others if timeout != 0.0 else ():
            timeout = worker_queue.engine.poll_timeout(timeout)
        # An answer that came to another board since it was asked ends this wait before it begins.
        return count + first.wait(timeout, reason) + sum([worker_queue.poll(0.0) for worker_queue in others])

    def wake(self) -> None:
        """Make whoever waits look up; from any thread."""
        for worker_queue in self._worker_queues[:1]:
            worker_queue.engine.wake()

    def abandon(self) -> None:
        """Nobody waits for anything any more."""
        for worker_queue in self._worker_queues:
            worker_queue.abandon()

    def close(self) -> None:
        """The sessions may go on to other runs: none knows the others any more."""
        worker_queues, self._worker_queues = self._worker_queues, []
        for worker_queue in worker_queues:
            worker_queue.engine.alert(None)
