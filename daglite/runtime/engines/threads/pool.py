"""The thread engine: chunks for threads of this process; items by reference, nothing pickled.

Nothing in Python can stop a thread. So there is no death to retry and no time limit to keep, only to report; and a run
that ends early tells its threads to end after the item they are at, and does not wait for them for long.

What sessions of threads and of coroutines share: programs by number, chunks under way, replies at a desk.
"""

from __future__ import annotations

import contextvars
import logging
import threading
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from itertools import count

from daglite.exceptions import ExecutionError
from daglite.functions import Function
from daglite.runtime.engines.base import CREDITS, LOCAL_BATCH_POLICY, WorkerListener
from daglite.runtime.engines.threads.worker import JobQueue, ThreadJob, ThreadProgram, WorkerThread
from daglite.runtime.kernel.chunked_results import OpenIterators
from daglite.runtime.kernel.steps import BoundStep
from daglite.runtime.kernel.work import WorkItem, WorkResult
from daglite.runtime.serialization.codec import ReferenceCodec
from daglite.runtime.transport.log_forwarding import MARKING

# For which part of its own time a reply waits for others where at least so many workers answer.
_LINGER, _CROWD = 0.1, 12
# How long, in seconds, the end of a run waits for calls that are still going on.
_GRACE = 0.5

_log = logging.getLogger("daglite")


class InProcessEngine(ABC):
    """Workers in this process; see `executor.Session`."""

    batch_policy = LOCAL_BATCH_POLICY

    def __init__(self, workers: int, codec: ReferenceCodec) -> None:
        self.workers = workers
        self.codec = codec
        self._numbers = count()
        self._programs: dict[int, ThreadProgram] = {}
        self._desk = JobQueue()
        # Chunks without an answer, and which of them have a worker to themselves.
        self._under_way = 0
        self._exclusive: set[int] = set()
        self._open = True
        self._listener: WorkerListener | None = None
        self._callback: Callable[[], None] | None = None
        MARKING.begin()

    @abstractmethod
    def _begin(self, job: ThreadJob) -> None:
        """Take a job as soon as a worker is free."""

    @abstractmethod
    def _threads(self) -> list[threading.Thread]:
        """Those that serve this session."""

    @abstractmethod
    def _send_away(self) -> None:
        """Tell everybody to end, without replies."""

    @abstractmethod
    def _leave(self) -> list[threading.Thread]:
        """The threads of those who were sent away since this was asked last."""

    @abstractmethod
    def _late(self, count: int) -> str:
        """What to say of threads that are still there when nobody waits for them any more."""

    def install(self, steps: Sequence[BoundStep]) -> int:
        number = next(self._numbers)
        self._programs[number] = ThreadProgram(number, tuple(steps), contextvars.copy_context())
        return number

    def uninstall(self, program: int) -> None:
        self._programs.pop(program, None)

    def credits(self) -> int:
        shared = self._under_way - len(self._exclusive)
        return max(0, CREDITS * (self.workers - len(self._exclusive)) - shared)

    def has_idle_worker(self) -> bool:
        return self._under_way < self.workers

    def max_items(self) -> None:
        return None

    def submit(self, work_item: WorkItem) -> None:
        job = ThreadJob(work_item, self._programs[work_item.program])
        self._under_way += 1
        if work_item.exclusive:
            self._exclusive.add(work_item.seq)
        self._begin(job)

    def flush(self) -> None:
        """Workers have what was submitted."""
        return None

    def poll(self, timeout: float | None) -> Sequence[WorkResult]:
        # Whoever gives a time is wanted elsewhere then: a slow source, or a caller that comes back.
        work_results = self._desk.collect(self.poll_timeout(timeout), 0.0 if timeout else self._linger())
        for work_result in work_results:
            if work_result.kind != "piece":
                self._under_way -= 1
                self._exclusive.discard(work_result.seq)
        return work_results

    def _linger(self) -> float:
        """For which part of its own time a reply that comes alone waits for others, and one wake-up serves all.

        Only where so many are at work that others will be there by then, and so much waits for them that none runs out.
        """
        crowded = self.workers >= _CROWD and 2 * self._under_way >= 3 * self.workers
        return _LINGER if crowded else 0.0

    def wake(self) -> None:
        self._desk.work_results.put(None)

    def notify(self, callback: Callable[[], None] | None) -> None:
        self._callback = callback
        self._desk.alert(callback)

    def poll_timeout(self, timeout: float | None) -> float | None:
        return timeout

    def listen(self, listener: WorkerListener | None) -> None:
        self._listener = listener
        for thread in self._threads():
            self._tell_of(thread)

    def _tell_of(self, thread: threading.Thread) -> None:
        if self._listener is not None and thread.native_id is not None:
            self._listener(thread.native_id, None, None)

    def cancel(self) -> None:
        """Dismiss everybody if anything is under way: whoever is not in a call is gone at once."""
        if self._under_way:
            self._dismiss()

    def reset(self) -> None:
        """Make the session fit for another run, with new workers in the place of those that were busy."""
        self.cancel()
        self._see_off()
        self._programs.clear()

    def close(self) -> None:
        """Dismiss everybody and wait for calls under way, but not for long; what still goes on then ends by itself."""
        try:
            self._dismiss()
            self._see_off()
        except KeyboardInterrupt:
            # Whatever the first Ctrl-C kept from being told.
            self._dismiss()
            raise
        finally:
            if self._open:
                self._open = False
                MARKING.end()

    def _dismiss(self) -> None:
        self._send_away()
        # Late replies go to the old desk, where nobody looks.
        self._desk = JobQueue()
        self.notify(self._callback)
        self._under_way = 0
        self._exclusive.clear()

    def _see_off(self) -> None:
        """Wait for the dismissed, for a while."""
        until = time.monotonic() + _GRACE
        # A session that is collected as garbage may be closed from one of its own threads.
        leaving = [thread for thread in self._leave() if thread is not threading.current_thread()]
        for thread in leaving:
            thread.join(max(0.0, until - time.monotonic()))
        if late := sum(thread.is_alive() for thread in leaving):
            _log.warning("the run is over, but %s; nobody waits for it any more", self._late(late))


class ThreadEngine(InProcessEngine):
    """A crew of up to `workers` threads, each started when first needed."""

    def __init__(self, workers: int, codec: ReferenceCodec | None = None) -> None:
        """`codec`: how items cross, when they are not to be shared."""
        super().__init__(workers, codec or ReferenceCodec())
        self._crew: list[WorkerThread] = []
        self._leaving: list[WorkerThread] = []
        self._opened = OpenIterators()
        # Whether any program has a time limit.
        self._timed = False

    def install(self, steps: Sequence[BoundStep]) -> int:
        self._timed = self._timed or any(step.function.timeout is not None for step in steps)
        return super().install(steps)

    def uninstall(self, program: int) -> None:
        self._opened.forget(program)
        super().uninstall(program)
        for worker in self._crew:
            worker.forget(program)

    def can_resume(self, function: Function) -> bool:
        # An async generator belongs to the event loop of the thread that began it.
        return function.kind != "async_generator"

    def poll(self, timeout: float | None) -> Sequence[WorkResult]:
        work_results = super().poll(timeout)
        if self._timed:
            self._tell_late_calls()
        return work_results

    def poll_timeout(self, timeout: float | None) -> float | None:
        """No longer than until the first call is late."""
        if not self._timed:
            return timeout
        deadlines = [until for worker in self._crew if (until := worker.deadline()) is not None]
        if not deadlines:
            return timeout
        left = min(max(0.0, min(deadlines) - time.monotonic()), threading.TIMEOUT_MAX)
        return left if timeout is None else min(left, timeout)

    def reset(self) -> None:
        super().reset()
        self._opened.forget()
        self._timed = False
        for worker in self._crew:
            worker.forget(None)

    def close(self) -> None:
        super().close()
        self._opened.forget()

    def _begin(self, job: ThreadJob) -> None:
        whole = len(self._crew) >= self.workers
        if not self._desk.give(job, wait=whole) and not self._hire(job):
            self._desk.give(job, wait=True)

    def _hire(self, job: ThreadJob) -> bool:
        """Start another thread with this job; False where the system gives none."""
        worker = WorkerThread(self._desk, self.codec, job, self._opened)
        try:
            worker.thread.start()
        except RuntimeError as error:
            if not self._crew:
                raise ExecutionError(f"no thread can be started for tasks: {error}") from error
            # There is a limit to threads here: the run goes on with those it has.
            self.workers = len(self._crew)
            return False
        self._crew.append(worker)
        self._tell_of(worker.thread)
        return True

    def _threads(self) -> list[threading.Thread]:
        return [worker.thread for worker in self._crew]

    def _tell_late_calls(self) -> None:
        now = time.monotonic()
        for worker in self._crew:
            if (call := worker.late_call(now)) is not None:
                call.tell()

    def _send_away(self) -> None:
        self._leaving += self._crew
        self._crew = []
        for worker in self._leaving:
            worker.dismiss()

    def _leave(self) -> list[threading.Thread]:
        leaving, self._leaving = self._leaving, []
        return [worker.thread for worker in leaving]

    def _late(self, count: int) -> str:
        return f"a call still goes on in {count} of its threads"
