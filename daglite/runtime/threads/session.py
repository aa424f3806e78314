"""The thread engine: chunks for threads of this process; items by reference, nothing pickled.

Nothing in Python can stop a thread. So there is no death to retry and no time limit to keep, only to report; and a run
that ends early tells its threads to end after the item they are at, and does not wait for them for long.
"""

from __future__ import annotations

import contextvars
import logging
import threading
import time
from collections.abc import Sequence
from itertools import count

from daglite.exceptions import ExecutionError
from daglite.functions import Function
from daglite.runtime.chain import BoundStep
from daglite.runtime.codec import Sharing
from daglite.runtime.executor import Chunk, Hear, Reply, Session
from daglite.runtime.logs import MARKING
from daglite.runtime.streams.batch import HERE
from daglite.runtime.streams.spread import OpenItems
from daglite.runtime.threads.thread import Desk, Job, Program, WorkerThread

__all__ = ["ThreadSession"]

# Two batches for each worker: one under way, one waiting.
_CREDITS = 2
# How long, in seconds, the end of a run waits for calls that are still going on.
_GRACE = 0.5

_log = logging.getLogger("daglite")


class ThreadSession:
    """A crew of up to `workers` threads, each started when first needed; see `executor.Session`."""

    pace = HERE
    attends = False

    def __init__(self, workers: int, codec: Sharing | None = None) -> None:
        """`codec`: how items cross, when they are not to be shared."""
        self.workers = workers
        self.codec = codec or Sharing()
        self._numbers = count()
        self._programs: dict[int, Program] = {}
        self._crew: list[WorkerThread] = []
        self._leaving: list[WorkerThread] = []
        self._desk = Desk()
        self._opened = OpenItems()
        # Chunks without an answer, and which of them have a worker to themselves.
        self._under_way = 0
        self._exclusive: set[int] = set()
        # Whether any program has a time limit.
        self._timed = False
        self._open = True
        self._hear: Hear | None = None
        self._alerted: Session | None = None
        MARKING.begin()

    def install(self, steps: Sequence[BoundStep]) -> int:
        number = next(self._numbers)
        self._programs[number] = Program(number, tuple(steps), contextvars.copy_context())
        self._timed = self._timed or any(step.function.timeout is not None for step in steps)
        return number

    def forget(self, program: int) -> None:
        self._opened.forget(program)
        self._programs.pop(program, None)
        for worker in self._crew:
            worker.forget(program)

    def free(self) -> int:
        shared = self._under_way - len(self._exclusive)
        return max(0, _CREDITS * (self.workers - len(self._exclusive)) - shared)

    def idle(self) -> bool:
        return self._under_way < self.workers

    def most(self) -> None:
        return None

    def resumes(self, function: Function) -> bool:
        # An async generator belongs to the event loop of the thread that began it.
        return function.kind != "async_generator"

    def submit(self, chunk: Chunk) -> None:
        job = Job(chunk, self._programs[chunk.program])
        self._under_way += 1
        if chunk.exclusive:
            self._exclusive.add(chunk.seq)
        if not self._desk.give(job) and not self._hire(job):
            self._desk.wait(job)

    def flush(self) -> None:
        """Threads have what was submitted."""

    def ready(self, timeout: float | None) -> Sequence[Reply]:
        replies = self._desk.collect(self.patience(timeout))
        for reply in replies:
            if reply.kind != "piece":
                self._under_way -= 1
                self._exclusive.discard(reply.seq)
        if self._timed:
            self._tell_late_calls()
        return replies

    def wake(self) -> None:
        self._desk.replies.put(None)

    def attend(self, fd: int, *, on: bool) -> None:
        raise AssertionError("it waits at a lock")

    def alert(self, other: Session | None) -> None:
        self._alerted = other
        self._desk.alerted = None if other is None else other.wake

    def listen(self, hear: Hear | None) -> None:
        self._hear = hear
        for worker in self._crew:
            self._tell_of(worker)

    def _tell_of(self, worker: WorkerThread) -> None:
        if self._hear is not None and worker.thread.native_id is not None:
            self._hear(worker.thread.native_id, None, None)

    def abandon(self) -> None:
        """Dismiss everybody if anything is under way: whoever is not in a call is gone at once."""
        if self._under_way:
            self._dismiss()

    def recycle(self) -> None:
        """Make the crew fit for another run, with new threads in the place of those that were busy."""
        self.abandon()
        self._see_off()
        self._opened.forget()
        self._programs.clear()
        self._timed = False
        for worker in self._crew:
            worker.forget(None)

    def close(self) -> None:
        """Dismiss everybody and wait for calls under way, but not for long; what still goes on then ends by itself."""
        try:
            self._dismiss()
            self._see_off()
            self._opened.forget()
        except KeyboardInterrupt:
            # Whatever the first Ctrl-C kept from being told.
            self._dismiss()
            raise
        finally:
            if self._open:
                self._open = False
                MARKING.end()

    def _hire(self, job: Job) -> bool:
        """Start another thread with this job, if there may be one more."""
        if len(self._crew) >= self.workers:
            return False
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
        self._tell_of(worker)
        return True

    def patience(self, timeout: float | None) -> float | None:
        """No longer than until the first call is late."""
        if not self._timed:
            return timeout
        deadlines = [until for worker in self._crew if (until := worker.deadline()) is not None]
        if not deadlines:
            return timeout
        left = min(max(0.0, min(deadlines) - time.monotonic()), threading.TIMEOUT_MAX)
        return left if timeout is None else min(left, timeout)

    def _tell_late_calls(self) -> None:
        now = time.monotonic()
        for worker in self._crew:
            if (call := worker.late_call(now)) is not None:
                call.tell()

    def _dismiss(self) -> None:
        self._leaving += self._crew
        self._crew = []
        for worker in self._leaving:
            worker.dismiss()
        # Late replies go to the old desk, where nobody looks.
        self._desk = Desk()
        self.alert(self._alerted)
        self._under_way = 0
        self._exclusive.clear()

    def _see_off(self) -> None:
        """Wait for the dismissed, for a while."""
        until = time.monotonic() + _GRACE
        # A session that is collected as garbage may be closed from one of its own threads.
        leaving = [worker.thread for worker in self._leaving if worker.thread is not threading.current_thread()]
        for thread in leaving:
            thread.join(max(0.0, until - time.monotonic()))
        self._leaving = []
        if late := sum(thread.is_alive() for thread in leaving):
            _log.warning(
                "the run is over, but a call still goes on in %d of its threads; nobody waits for it any more", late
            )
