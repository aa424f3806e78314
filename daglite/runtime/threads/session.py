"""The thread engine: chunks for threads of this process; items by reference, nothing pickled.

Nothing in Python can stop a thread. So there is no death to retry and no time limit to keep, only to report; and a run
that ends early tells its threads to end after the item they are at, and does not wait for them for long.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Sequence

from daglite.exceptions import ExecutionError
from daglite.functions import Function
from daglite.runtime.chain import BoundStep
from daglite.runtime.codec import Sharing
from daglite.runtime.executor import Reply
from daglite.runtime.streams.sending.spread import OpenItems
from daglite.runtime.threads.desk import DeskSession
from daglite.runtime.threads.thread import Job, WorkerThread

__all__ = ["ThreadSession"]


class ThreadSession(DeskSession):
    """A crew of up to `workers` threads, each started when first needed."""

    def __init__(self, workers: int, codec: Sharing | None = None) -> None:
        """`codec`: how items cross, when they are not to be shared."""
        super().__init__(workers, codec or Sharing())
        self._crew: list[WorkerThread] = []
        self._leaving: list[WorkerThread] = []
        self._opened = OpenItems()
        # Whether any program has a time limit.
        self._timed = False

    def install(self, steps: Sequence[BoundStep]) -> int:
        self._timed = self._timed or any(step.function.timeout is not None for step in steps)
        return super().install(steps)

    def forget(self, program: int) -> None:
        self._opened.forget(program)
        super().forget(program)
        for worker in self._crew:
            worker.forget(program)

    def resumes(self, function: Function) -> bool:
        # An async generator belongs to the event loop of the thread that began it.
        return function.kind != "async_generator"

    def ready(self, timeout: float | None) -> Sequence[Reply]:
        replies = super().ready(timeout)
        if self._timed:
            self._tell_late_calls()
        return replies

    def patience(self, timeout: float | None) -> float | None:
        """No longer than until the first call is late."""
        if not self._timed:
            return timeout
        deadlines = [until for worker in self._crew if (until := worker.deadline()) is not None]
        if not deadlines:
            return timeout
        left = min(max(0.0, min(deadlines) - time.monotonic()), threading.TIMEOUT_MAX)
        return left if timeout is None else min(left, timeout)

    def recycle(self) -> None:
        super().recycle()
        self._opened.forget()
        self._timed = False
        for worker in self._crew:
            worker.forget(None)

    def close(self) -> None:
        super().close()
        self._opened.forget()

    def _begin(self, job: Job) -> None:
        whole = len(self._crew) >= self.workers
        if not self._desk.give(job, wait=whole) and not self._hire(job):
            self._desk.give(job, wait=True)

    def _hire(self, job: Job) -> bool:
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
