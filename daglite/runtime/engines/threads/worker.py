"""Worker threads, and the queue through which they get jobs and return results.

    coordinator --give--> an idle thread, woken by a lock of its own
                --give--> the waiting jobs --next--> the first thread that is done
                <--collect-- results <----leave---- threads

A thread that is done looks for a waiting job before it sleeps, so under load no thread has to be woken; and a job for
which a thread is idle wakes only that one.
"""

from __future__ import annotations

import contextlib
import contextvars
import logging
import os
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from queue import Empty, SimpleQueue
from typing import NamedTuple

from daglite.runtime.engines.processes.fork import end_copy
from daglite.runtime.kernel.bound_step import BoundStep
from daglite.runtime.kernel.chunked_results import OpenIterators
from daglite.runtime.kernel.event_loop import PrivateLoop
from daglite.runtime.kernel.retry import RetryTracker, portable
from daglite.runtime.kernel.steps import StepChain
from daglite.runtime.kernel.work import WorkItem, WorkResult
from daglite.runtime.kernel.work_runner import WorkRunner
from daglite.runtime.serialization.codec import CopyingCodec, ReferenceCodec
from daglite.runtime.serialization.exceptions import raisable_error
from daglite.runtime.transport.log_forwarding import tag_records_of_this_thread

_log = logging.getLogger("daglite")
# How long, in seconds, a result waits for others: at least as long as it takes to fall asleep, and at most.
_SHORTEST_LINGER, _LONGEST_LINGER = 0.0001, 0.0005
# The worker whose thread this is.
_here = threading.local()


class ThreadProgram(NamedTuple):
    """An installed program: its steps, and the context variables of the code that started the run."""

    number: int
    steps: Sequence[BoundStep]
    context: contextvars.Context


class ThreadJob(NamedTuple):
    """A work item and its program."""

    work_item: WorkItem
    program: ThreadProgram


class _Dismissed(BaseException):
    """End a generator, or the retries of an item, in a thread that was dismissed."""


class _TimedCall(NamedTuple):
    """A call with a time limit: it should be over at `until`, in seconds of `time.monotonic`."""

    task: str
    item: int | None
    seconds: float
    until: float

    def warn(self) -> None:
        """Log that it is over its limit; a thread cannot be stopped."""
        where = "" if self.item is None else f" on item {self.item}"
        _log.warning(
            "task '%s' is over its `timeout` of %g s%s; a thread cannot be stopped, so the call goes on",
            self.task,
            self.seconds,
            where,
        )


class JobQueue:
    """Jobs and results between the coordinator and its threads. A result of None only wakes the coordinator."""

    def __init__(self) -> None:
        self.work_results: SimpleQueue[WorkResult | None] = SimpleQueue()
        # Wakes a coordinator that waits elsewhere for results; whether it was called since the last `collect`.
        self._on_result: Callable[[], None] | None = None
        self._alerted = False
        self._waiting: deque[ThreadJob] = deque()
        self._idle: list[WorkerThread] = []
        # A stream that is collected as garbage may close its engine from any thread, even inside this lock.
        self._lock = threading.RLock()

    def leave(self, work_result: WorkResult | None) -> None:
        """Return a result to the coordinator; None only wakes it."""
        self.work_results.put(work_result)
        # Read once: the coordinator may change it.
        on_result = self._on_result
        if on_result is not None and not self._alerted:
            self._alerted = True
            on_result()

    def alert(self, on_result: Callable[[], None] | None) -> None:
        """Set the function to call when there is something to collect."""
        self._on_result, self._alerted = on_result, False

    def collect(self, timeout: float | None, linger: float = 0.0) -> list[WorkResult]:
        """Return the results that are here; wait up to `timeout` seconds for one. For the coordinator only.

        A single result waits for others, for the fraction `linger` of the time that its work took.
        """
        # Before the look at the queue: a result that comes after it must alert.
        self._alerted = False
        queue = self.work_results
        if timeout == 0.0 and queue.empty():
            return []
        try:
            found = [queue.get(timeout=timeout)]
        except Empty:
            return []
        if linger and (single := found[0]) is not None and queue.empty():
            seconds = min(linger * single.seconds, _LONGEST_LINGER)
            if seconds >= _SHORTEST_LINGER:
                time.sleep(seconds)
        found += [queue.get() for _ in range(queue.qsize())]
        return [work_result for work_result in found if work_result is not None]

    def give(self, job: ThreadJob, *, wait: bool) -> bool:
        """Give a job to an idle thread, or let it `wait` for the first that is done; return whether it was taken."""
        with self._lock:
            if not self._idle:
                if wait:
                    self._waiting.append(job)
                return wait
            # The one that fell asleep last: its memory is in the caches.
            worker = self._idle.pop()
        worker.wake(job)
        return True

    def next(self, worker: WorkerThread) -> ThreadJob | None:
        """Return a waiting job; None when there is none, and the worker is idle from now on."""
        with self._lock:
            if self._waiting:
                return self._waiting.popleft()
            self._idle.append(worker)
            return None


class WorkerThread:
    """A thread that takes one job after the other from its queue until it is dismissed."""

    def __init__(self, jobs: JobQueue, codec: ReferenceCodec, first: ThreadJob, opened: OpenIterators) -> None:
        """`opened` is shared by all threads: any of them may continue the result that another has begun."""
        self.thread = threading.Thread(target=self._work, name="daglite-worker", daemon=True)
        self._jobs = jobs
        self._runner = WorkRunner(codec, opened, send=self._send_chunk)
        # The native identifier of the thread, once it runs.
        self.number: int | None = None
        self._next_job: ThreadJob | None = first
        # Locked while there is no reason to wake up.
        self._wake_lock = threading.Lock()
        self._wake_lock.acquire()
        self._dismissed = False
        # Whether this is in a process that a task has forked.
        self._copy = False
        self._loop = PrivateLoop()
        made_portable = portable(codec) if isinstance(codec, CopyingCodec) else None
        self._retry_tracker = RetryTracker(pause=self._pause, portable=made_portable, worker=lambda: self.number)
        self._end = threading.Event()
        # A chain belongs to one thread, because of the event loop; so does a context that is entered.
        self._prepared: dict[int, tuple[StepChain, contextvars.Context]] = {}
        # Whether the item at work is the only one of its work item.
        self._exclusive = False
        self._call: _TimedCall | None = None
        self._call_lock = threading.Lock()

    def wake(self, job: ThreadJob | None) -> None:
        """Wake the thread, for a job or for its dismissal."""
        if job is not None:
            self._next_job = job
        with contextlib.suppress(RuntimeError):
            # It may have been woken already.
            self._wake_lock.release()

    def dismiss(self) -> None:
        """End the thread after the item at work, without a result; from any thread."""
        self._dismissed = True
        self._end.set()
        self._runner.stop()
        self.wake(None)

    def disown(self) -> None:
        """Take no item after the one at work, in a copy of the process that its task has forked."""
        self._copy = True
        self._runner.stop()

    def forget(self, program: int | None) -> None:
        """Drop a program, or all programs if it is None."""
        if program is None:
            self._prepared.clear()
        else:
            self._prepared.pop(program, None)

    def deadline(self) -> float | None:
        """Return when the call at work should be over, in seconds of `time.monotonic`."""
        call = self._call
        return None if call is None else call.until

    def late_call(self, now: float) -> _TimedCall | None:
        """Return the call at work if it is over its limit; each call once."""
        with self._call_lock:
            call = self._call
            if call is None or now < call.until:
                return None
            self._call = None
            return call

    # Methods that run in the thread.

    def _work(self) -> None:
        _here.worker = self
        self.number = self._runner.worker = threading.get_native_id()
        tag_records_of_this_thread(self._runner.where)
        while (job := self._next()) is not None:
            work_result = self._run(job)
            if self._dismissed:
                break
            self._jobs.leave(work_result)
            # While it sleeps it must not keep items in memory.
            del job, work_result
        self._prepared.clear()
        # An async generator of the user may raise when it is closed.
        with contextlib.suppress(Exception):
            self._loop.close()

    def _next(self) -> ThreadJob | None:
        while not self._dismissed:
            job, self._next_job = self._next_job, None
            if job is None:
                job = self._jobs.next(self)
            if job is not None:
                return job
            self._wake_lock.acquire()
        return None

    def _run(self, job: ThreadJob) -> WorkResult:
        work_item = job.work_item
        try:
            chain, context = self._prepared.get(job.program.number) or self._prepare(job.program)
            self._exclusive = work_item.exclusive
            work_result = context.run(self._runner.run, work_item, chain)
        except BaseException as error:
            # Whatever it is, the coordinator waits for a result.
            work_result = WorkResult(work_item.seq, "failed", worker=self.number, error=error)
        if self._copy:
            end_copy(work_result.error)
        if self._call is not None:
            # The time limit of a generator ends here, that of other calls has ended.
            self._call_over()
        if work_result.error is None:
            return work_result
        raised, trace = raisable_error(work_result.error)
        return work_result._replace(error=raised, traceback=trace)

    def _prepare(self, program: ThreadProgram) -> tuple[StepChain, contextvars.Context]:
        chain = StepChain(program.steps, self._loop, self._announce, self._retry_tracker)
        found = self._prepared[program.number] = chain, program.context.copy()
        return found

    def _pause(self, seconds: float) -> None:
        """Wait before another attempt; a thread that was dismissed makes none."""
        if self._end.wait(seconds):
            raise _Dismissed

    def _send_chunk(self, work_result: WorkResult) -> None:
        if self._dismissed:
            raise _Dismissed
        self._jobs.leave(work_result)

    def _announce(self, step: int, seconds: float) -> None:
        """Note that a call with a time limit begins, or with step -1 that it is over."""
        if step < 0:
            self._call_over()
            return
        task, index = self._runner.where()
        self._watch_call(task, None if self._exclusive else index, seconds)

    def _watch_call(self, task: str, index: int | None, seconds: float) -> None:
        self._call_over()
        self._call = _TimedCall(task, index, seconds, time.monotonic() + seconds)
        # The coordinator may wait for longer than this limit.
        self._jobs.leave(None)

    def _call_over(self) -> None:
        with self._call_lock:
            call, self._call = self._call, None
        if call is not None and time.monotonic() >= call.until and not self._dismissed:
            call.warn()


def _disown() -> None:
    """Disown the worker thread that forked, in the copy: no other thread goes on there."""
    worker: WorkerThread | None = getattr(_here, "worker", None)
    if worker is not None:
        worker.disown()


os.register_at_fork(after_in_child=_disown)
