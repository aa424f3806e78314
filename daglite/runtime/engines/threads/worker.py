"""One worker thread, and the desk where threads fetch chunks and leave replies.

    coordinator --give--> an idle thread, woken at a lock of its own
                --give--> the waiting chunks --next--> whichever thread is done first
                <-------- replies <----------leave---- threads

A thread that is done looks for a waiting chunk before it goes to sleep, so under load nobody is woken for work; and a
chunk that finds somebody idle wakes that one thread and no other.
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
from functools import partial
from queue import Empty, SimpleQueue
from typing import NamedTuple

from daglite.runtime.engines.processes.fork import end_copy
from daglite.runtime.kernel.batch import BatchRun, drain
from daglite.runtime.kernel.chunked_results import OpenIterators
from daglite.runtime.kernel.event_loop import PrivateLoop
from daglite.runtime.kernel.retry import RetryTracker, portable
from daglite.runtime.kernel.steps import BoundStep, StepChain
from daglite.runtime.kernel.timers import TimerReading, take_reading
from daglite.runtime.kernel.work import WorkItem, WorkResult
from daglite.runtime.serialization.codec import CopyingCodec, ReferenceCodec
from daglite.runtime.serialization.exceptions import raisable_error
from daglite.runtime.transport.log_forwarding import tag_records_of_this_thread

_log = logging.getLogger("daglite")
# How long, in seconds, a reply waits for others: not less, as it takes that long to fall asleep, and not more.
_SHORTEST_LINGER, _LONGEST_LINGER = 0.0001, 0.0005
# The worker whose thread this is.
_here = threading.local()


class ThreadProgram(NamedTuple):
    """Steps, and the context variables of whoever asked for them."""

    number: int
    steps: Sequence[BoundStep]
    context: contextvars.Context


class ThreadJob(NamedTuple):
    """A chunk and its program."""

    work_item: WorkItem
    program: ThreadProgram


class _Dismissed(BaseException):
    """Ends a generator that nobody waits for any more."""


class _TimedCall(NamedTuple):
    """A call with a time limit: when it should be over, in seconds of `time.monotonic`."""

    task: str
    item: int | None
    seconds: float
    until: float

    def tell(self) -> None:
        """Report that it is over its limit, which is all that can be done."""
        where = "" if self.item is None else f" on item {self.item}"
        _log.warning(
            "task '%s' is over its `timeout` of %g s%s; a thread cannot be stopped, so the call goes on",
            self.task,
            self.seconds,
            where,
        )


class JobQueue:
    """Shared by the coordinator and its threads. None among the replies wakes the coordinator for nothing."""

    def __init__(self) -> None:
        self.work_results: SimpleQueue[WorkResult | None] = SimpleQueue()
        # Wakes whoever waits elsewhere for what comes here; whether it has, since somebody looked here.
        self._alerted: Callable[[], None] | None = None
        self._rung = False
        self._waiting: deque[ThreadJob] = deque()
        self._idle: list[WorkerThread] = []
        # A stream that is collected as garbage may close its session from any thread, even from inside this lock.
        self._lock = threading.RLock()

    def leave(self, work_result: WorkResult | None) -> None:
        """A thread leaves its reply; None: makes the coordinator look up."""
        self.work_results.put(work_result)
        # Read once: the coordinator may change it.
        alerted = self._alerted
        if alerted is not None and not self._rung:
            self._rung = True
            alerted()

    def alert(self, alerted: Callable[[], None] | None) -> None:
        """From now on call this when there is something to collect."""
        self._alerted, self._rung = alerted, False

    def collect(self, timeout: float | None, linger: float = 0.0) -> list[WorkResult]:
        """The replies that are here, waiting up to `timeout` seconds for one; for the coordinator, who alone takes.

        One that comes alone waits for others, for the part `linger` of the time that its work took.
        """
        # Before the look, so that whoever comes behind it rings.
        self._rung = False
        queue = self.work_results
        if timeout == 0.0 and queue.empty():
            return []
        try:
            found = [queue.get(timeout=timeout)]
        except Empty:
            return []
        if linger and (alone := found[0]) is not None and queue.empty():
            seconds = min(linger * alone.seconds, _LONGEST_LINGER)
            if seconds >= _SHORTEST_LINGER:
                time.sleep(seconds)
        found += [queue.get() for _ in range(queue.qsize())]
        return [work_result for work_result in found if work_result is not None]

    def give(self, job: ThreadJob, *, wait: bool) -> bool:
        """Hand a job to an idle thread; where there is none, let it `wait` for the first that is done, or False."""
        with self._lock:
            if not self._idle:
                if wait:
                    self._waiting.append(job)
                return wait
            # The one that fell asleep last: its memory is warm.
            worker = self._idle.pop()
        worker.wake(job)
        return True

    def next(self, worker: WorkerThread) -> ThreadJob | None:
        """A waiting job; None when there is none, and the worker is idle from now on."""
        with self._lock:
            if self._waiting:
                return self._waiting.popleft()
            self._idle.append(worker)
            return None


class WorkerThread:
    """A thread that takes job after job from its desk until it is dismissed."""

    def __init__(self, desk: JobQueue, codec: ReferenceCodec, first: ThreadJob, opened: OpenIterators) -> None:
        """`opened` is shared by all threads: any of them may go on with what another has begun."""
        self.thread = threading.Thread(target=self._work, name="daglite-worker", daemon=True)
        self._desk = desk
        self._codec = codec
        self._opened = opened
        # What the system calls it, once it runs.
        self.number: int | None = None
        self._given: ThreadJob | None = first
        # Locked while there is nothing to wake up for.
        self._bell = threading.Lock()
        self._bell.acquire()
        self._dismissed = False
        # Whether this is in a process that a task has forked.
        self._copy = False
        self._loop = PrivateLoop()
        mine = portable(codec) if isinstance(codec, CopyingCodec) else None
        self._trials = RetryTracker(pause=self._pause, portable=mine, worker=lambda: self.number)
        self._end = threading.Event()
        # A chain belongs to one thread, because of the event loop; so does a context that is entered.
        self._prepared: dict[int, tuple[StepChain, contextvars.Context]] = {}
        # Whether the item at work is the only one there is.
        self._single = False
        self._run: BatchRun | None = None
        self._items: list[object] = []
        self._call: _TimedCall | None = None
        self._watch = threading.Lock()

    def wake(self, job: ThreadJob | None) -> None:
        """Give it a job, or make it look up."""
        if job is not None:
            self._given = job
        with contextlib.suppress(RuntimeError):
            # It may have been woken already.
            self._bell.release()

    def dismiss(self) -> None:
        """Tell it to end after the item it is at, without a reply; from any thread."""
        self._dismissed = True
        self._end.set()
        # Whoever walks through this list comes to its end.
        self._items.clear()
        self.wake(None)

    def disown(self) -> None:
        """In a copy of the process that the task at work has forked: go no further than its item."""
        self._copy = True
        self._items.clear()

    def forget(self, program: int | None) -> None:
        """A program is not needed any more; None: no program is."""
        if program is None:
            self._prepared.clear()
        else:
            self._prepared.pop(program, None)

    def deadline(self) -> float | None:
        """When the call it is in should be over."""
        call = self._call
        return None if call is None else call.until

    def late_call(self, now: float) -> _TimedCall | None:
        """The call it is in if that is over its limit; each call once."""
        with self._watch:
            call = self._call
            if call is None or now < call.until:
                return None
            self._call = None
            return call

    # In the thread.

    def _work(self) -> None:
        _here.worker = self
        self.number = threading.get_native_id()
        tag_records_of_this_thread(self._where)
        while (job := self._next()) is not None:
            work_result = self._answer(job)
            if self._dismissed:
                break
            self._desk.leave(work_result)
            # While it sleeps it must not keep items in flight.
            del job, work_result
        self._prepared.clear()
        # An async generator of the user's own may raise when it is closed; nobody is left to hear it.
        with contextlib.suppress(Exception):
            self._loop.close()

    def _next(self) -> ThreadJob | None:
        while not self._dismissed:
            job, self._given = self._given, None
            if job is None:
                job = self._desk.next(self)
            if job is not None:
                return job
            self._bell.acquire()
        return None

    def _answer(self, job: ThreadJob) -> WorkResult:
        work_item = job.work_item
        try:
            chain, context = self._prepared.get(job.program.number) or self._prepare(job.program)
            run = self._batch if work_item.kind == "batch" else self._generate
            return context.run(run, work_item, chain)
        except BaseException as error:
            # Whatever it is, the coordinator waits for a reply.
            return self._failed(work_item, error)

    def _prepare(self, program: ThreadProgram) -> tuple[StepChain, contextvars.Context]:
        chain = StepChain(program.steps, self._loop, self._announce, self._trials)
        found = self._prepared[program.number] = chain, program.context.copy()
        return found

    def _batch(self, work_item: WorkItem, chain: StepChain) -> WorkResult:
        self._single = work_item.exclusive
        started = time.perf_counter()
        run = self._run = BatchRun(
            chain, self._codec, work_item.first_index, self._opened, work_item.program, work_item.context
        )
        items, bad = self._codec.unpack(work_item.payload)
        self._items = items
        if self._dismissed:
            items.clear()
        try:
            error = run.run(items, bad)
        finally:
            self._run, self._items = None, []
        if self._copy:
            end_copy(error)
        seconds = time.perf_counter() - started - self._trials.slept()
        reading = take_reading(started, chain.timers) if chain.timers else None
        if error is not None:
            work_result = self._failed(work_item, error, run.done, run.step, run.cells, seconds, reading)
        else:
            work_result = WorkResult(
                work_item.seq, "done", run.done, -1, seconds, run.cells, self.number, reading=reading
            )
        return (
            work_result._replace(item_failures=self._trials.take_item_failures())
            if self._trials.item_failures
            else work_result
        )

    def _pause(self, seconds: float) -> None:
        """Wait before another attempt; a worker that is dismissed makes none."""
        if self._end.wait(seconds):
            raise _Dismissed

    def _generate(self, work_item: WorkItem, chain: StepChain) -> WorkResult:
        step = chain.steps[0]
        send, begin = partial(self._send_piece, work_item.seq), partial(self._begin, step)
        started = time.perf_counter()
        end = drain(
            step, self._loop, self._codec, send, begin, streamed=work_item.kind == "stream", trials=self._trials
        )
        if self._copy:
            end_copy(end.error)
        self._call_over()
        seconds, worker = time.perf_counter() - started, self.number
        reading = take_reading(started, chain.timers) if chain.timers else None
        if end.error is not None:
            return self._failed(work_item, end.error, len(end.cells), step.number, end.cells, seconds, reading)
        return WorkResult(
            work_item.seq, "done", len(end.cells), end.attempt, seconds, end.cells, worker, reading=reading
        )

    def _begin(self, step: BoundStep) -> None:
        """An attempt at a generator begins."""
        if self._copy:
            # The one before it failed, and a copy tries nothing again.
            end_copy(SystemExit(1))
        if step.function.timeout is not None:
            self._watch_call(step.function.name, None, step.function.timeout)

    def _send_piece(self, seq: int, attempt: int, cells: list[object]) -> None:
        if self._dismissed:
            raise _Dismissed
        self._desk.leave(WorkResult(seq, "chunk", len(cells), attempt, 0.0, cells, self.number))

    def _failed(
        self,
        work_item: WorkItem,
        error: BaseException,
        done: int = 0,
        step: int = -1,
        cells: Sequence[object] = (),
        seconds: float = 0.0,
        reading: TimerReading | None = None,
    ) -> WorkResult:
        worker, told = self.number, raisable_error(error)
        return WorkResult(work_item.seq, "failed", done, step, seconds, cells, worker, error=told, reading=reading)

    def _where(self) -> tuple[str, int | None]:
        """The task at work, and the index of its item if there is one."""
        return ("", None) if self._run is None else self._run.where()

    def _announce(self, step: int, seconds: float) -> None:
        """A call with a time limit begins, or (step -1) is over."""
        if step < 0:
            self._call_over()
            return
        task, index = self._where()
        self._watch_call(task, None if self._single else index, seconds)

    def _watch_call(self, task: str, index: int | None, seconds: float) -> None:
        self._call_over()
        self._call = _TimedCall(task, index, seconds, time.monotonic() + seconds)
        # The coordinator may be in the middle of a longer wait.
        self._desk.leave(None)

    def _call_over(self) -> None:
        with self._watch:
            call, self._call = self._call, None
        if call is not None and time.monotonic() >= call.until and not self._dismissed:
            call.tell()


def _disown() -> None:
    """In a forked process only the thread that forked goes on; if that is a worker, it has nobody to answer."""
    worker: WorkerThread | None = getattr(_here, "worker", None)
    if worker is not None:
        worker.disown()


os.register_at_fork(after_in_child=_disown)
