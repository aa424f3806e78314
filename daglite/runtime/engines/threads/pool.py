"""The thread engine, and what it shares with the engine of coroutines. Items go by reference, nothing is pickled.

    submit -> ThreadJob -> a worker of this process -> JobQueue -> poll

Nothing in Python can stop a thread, so no worker dies, and a call that exceeds its time limit is only reported. A run
that ends early tells its workers to end after the item they are at, and waits only a moment for them.
"""

from __future__ import annotations

import contextvars
import logging
import threading
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from itertools import count
from typing import ClassVar, Generic, Protocol, TypeVar

from daglite.exceptions import ExecutionError
from daglite.functions import Function
from daglite.runtime.engines.base import CREDITS, LOCAL_BATCH_POLICY, WorkerListener
from daglite.runtime.engines.threads.worker import JobQueue, ThreadJob, ThreadProgram, WorkerThread
from daglite.runtime.kernel.bound_step import BoundStep
from daglite.runtime.kernel.chunked_results import OpenIterators
from daglite.runtime.kernel.work import WorkItem, WorkResult
from daglite.runtime.serialization.codec import ReferenceCodec
from daglite.runtime.transport.log_forwarding import TAGGING

# With at least `_MANY_WORKERS` a result waits for others: for this share of the time that its work took.
_LINGER, _MANY_WORKERS = 0.1, 12
# How long, in seconds, the end of a run waits for calls that have not ended.
_GRACE = 0.5

_log = logging.getLogger("daglite")


class _PoolWorker(Protocol):
    @property
    def thread(self) -> threading.Thread: ...
    def dismiss(self) -> None: ...


W = TypeVar("W", bound=_PoolWorker)


class InProcessEngine(ABC, Generic[W]):
    """An engine whose workers are in this process."""

    batch_policy = LOCAL_BATCH_POLICY
    # What the log says of workers that have not ended in time; "{}" is their number.
    _late: ClassVar[str]

    def __init__(self, workers: int, codec: ReferenceCodec) -> None:
        self.workers = workers
        self.codec = codec
        self._numbers = count()
        self._programs: dict[int, ThreadProgram] = {}
        self._job_queue = JobQueue()
        # Work items without a result, and the numbers of the exclusive ones among them.
        self._in_flight = 0
        self._exclusive: set[int] = set()
        # Workers, and those that were dismissed and not waited for yet.
        self._pool: list[W] = []
        self._leaving: list[W] = []
        self._open = True
        self._listener: WorkerListener | None = None
        self._callback: Callable[[], None] | None = None
        TAGGING.begin()

    @abstractmethod
    def _begin(self, job: ThreadJob) -> None:
        """Give a job to a worker, or queue it for the first that is idle."""

    def install(self, steps: Sequence[BoundStep]) -> int:
        number = next(self._numbers)
        self._programs[number] = ThreadProgram(number, tuple(steps), contextvars.copy_context())
        return number

    def uninstall(self, program: int) -> None:
        self._programs.pop(program, None)

    def credits(self) -> int:
        shared = self._in_flight - len(self._exclusive)
        return max(0, CREDITS * (self.workers - len(self._exclusive)) - shared)

    def has_idle_worker(self) -> bool:
        return self._in_flight < self.workers

    def max_items(self) -> None:
        return None

    def submit(self, work_item: WorkItem) -> None:
        job = ThreadJob(work_item, self._programs[work_item.program])
        self._in_flight += 1
        if work_item.exclusive:
            self._exclusive.add(work_item.seq)
        self._begin(job)

    def flush(self) -> None:
        """Do nothing: workers have what was submitted."""

    def poll(self, timeout: float | None) -> Sequence[WorkResult]:
        # With a timeout the caller has other work: a slow source, or a consumer that waits.
        work_results = self._job_queue.collect(self.poll_timeout(timeout), 0.0 if timeout else self._linger())
        for work_result in work_results:
            if work_result.kind != "chunk":
                self._in_flight -= 1
                self._exclusive.discard(work_result.seq)
        return work_results

    def _linger(self) -> float:
        """Return for which share of its work's time a single result waits for others, so that they wake the loop once.

        Only if there are enough workers that others finish in that time, and enough work items that none becomes idle.
        """
        many = self.workers >= _MANY_WORKERS and 2 * self._in_flight >= 3 * self.workers
        return _LINGER if many else 0.0

    def wake(self) -> None:
        self._job_queue.work_results.put(None)

    def notify(self, callback: Callable[[], None] | None) -> None:
        self._callback = callback
        self._job_queue.alert(callback)

    def poll_timeout(self, timeout: float | None) -> float | None:
        return timeout

    def listen(self, listener: WorkerListener | None) -> None:
        self._listener = listener
        for worker in self._pool:
            self._report(worker)

    def _add(self, worker: W) -> None:
        self._pool.append(worker)
        self._report(worker)

    def _report(self, worker: W) -> None:
        if self._listener is not None and worker.thread.native_id is not None:
            self._listener(worker.thread.native_id, None, None)

    def cancel(self) -> None:
        """Dismiss the workers if any is busy; those that are not in a call end at once."""
        if self._in_flight:
            self._dismiss()

    def close(self) -> None:
        """Dismiss the workers and wait a moment for calls in progress; those that go on then end by themselves."""
        try:
            self._dismiss()
            self._join()
        except KeyboardInterrupt:
            # The first Ctrl-C may have come before all of them were dismissed.
            self._dismiss()
            raise
        finally:
            if self._open:
                self._open = False
                TAGGING.end()

    def _dismiss(self) -> None:
        self._leaving += self._pool
        self._pool = []
        for worker in self._leaving:
            worker.dismiss()
        # Late results go to the old queue, which is not read any more.
        self._job_queue = JobQueue()
        self.notify(self._callback)
        self._in_flight = 0
        self._exclusive.clear()

    def _join(self) -> None:
        """Wait a moment for the dismissed workers."""
        until = time.monotonic() + _GRACE
        leaving, self._leaving = self._leaving, []
        # An engine that is garbage-collected may be closed by one of its own threads.
        threads = [worker.thread for worker in leaving if worker.thread is not threading.current_thread()]
        for thread in threads:
            thread.join(max(0.0, until - time.monotonic()))
        if late := sum(thread.is_alive() for thread in threads):
            _log.warning("the run is over, but %s; daglite does not wait for it any more", self._late.format(late))


class ThreadEngine(InProcessEngine[WorkerThread]):
    """An engine of up to `workers` threads, each started when it is first needed."""

    _late = "a call still goes on in {} of its threads"

    def __init__(self, workers: int, codec: ReferenceCodec | None = None) -> None:
        """`codec`: how items are passed, when they are not to be shared."""
        super().__init__(workers, codec or ReferenceCodec())
        self._open_iterators = OpenIterators()
        # Whether any program has a time limit.
        self._timed = False

    def install(self, steps: Sequence[BoundStep]) -> int:
        self._timed = self._timed or any(step.function.timeout is not None for step in steps)
        return super().install(steps)

    def uninstall(self, program: int) -> None:
        self._open_iterators.forget(program)
        super().uninstall(program)
        for worker in self._pool:
            worker.forget(program)

    def can_resume(self, function: Function) -> bool:
        # An async generator belongs to the event loop of the thread that began it.
        return function.kind != "async_generator"

    def poll(self, timeout: float | None) -> Sequence[WorkResult]:
        work_results = super().poll(timeout)
        if self._timed:
            now = time.monotonic()
            for worker in self._pool:
                if (call := worker.late_call(now)) is not None:
                    call.warn()
        return work_results

    def poll_timeout(self, timeout: float | None) -> float | None:
        """Return how long a wait may be: no longer than until the first call exceeds its time limit."""
        if not self._timed:
            return timeout
        deadlines = [until for worker in self._pool if (until := worker.deadline()) is not None]
        if not deadlines:
            return timeout
        left = min(max(0.0, min(deadlines) - time.monotonic()), threading.TIMEOUT_MAX)
        return left if timeout is None else min(left, timeout)

    def reset(self) -> None:
        self.cancel()
        self._join()
        self._programs.clear()
        self._open_iterators.forget()
        self._timed = False
        for worker in self._pool:
            worker.forget(None)

    def close(self) -> None:
        super().close()
        self._open_iterators.forget()

    def _begin(self, job: ThreadJob) -> None:
        complete = len(self._pool) >= self.workers
        if not self._job_queue.give(job, wait=complete) and not self._start(job):
            self._job_queue.give(job, wait=True)

    def _start(self, job: ThreadJob) -> bool:
        """Start another thread with this job; return False where the system gives none."""
        worker = WorkerThread(self._job_queue, self.codec, job, self._open_iterators)
        try:
            worker.thread.start()
        except RuntimeError as error:
            if not self._pool:
                raise ExecutionError(f"no thread can be started for tasks: {error}") from error
            # The system limits threads: the run goes on with those it has.
            self.workers = len(self._pool)
            return False
        self._add(worker)
        return True
