"""The process engine: workers fed, listened to, replaced when they die or have done enough, and ended.

The coordinator never blocks on a socket: a worker that is sending while the coordinator is sending would otherwise
wait for it for ever.

The end of the interpreter, for pools that are open still: a stream nobody closed, kept workers, a daemon thread.
"""

from __future__ import annotations

import atexit
import contextlib
import os
import pickle
import selectors
import signal
import threading
import time
import weakref
from collections.abc import Sequence
from typing import Protocol

from daglite.exceptions import ExecutionError
from daglite.functions import Function
from daglite.options import StartMethod
from daglite.runtime.engines.base import LOCAL_BATCH_POLICY, THREAD_ROLE, WorkerEndReason, WorkerListener
from daglite.runtime.engines.processes.oom import memory_hint, memory_kills
from daglite.runtime.engines.processes.programs import ProgramTable
from daglite.runtime.engines.processes.selector import WorkerSelector
from daglite.runtime.engines.processes.worker_handle import WorkerProcess, interrupts_blocked, start_worker
from daglite.runtime.kernel.steps import BoundStep
from daglite.runtime.kernel.timers import unpack_reading
from daglite.runtime.kernel.work import ResultKind, WorkItem, WorkResult
from daglite.runtime.serialization.exceptions import unpack_error
from daglite.runtime.serialization.pickler import Codec
from daglite.runtime.transport.frames import Frame, Kind, take_back
from daglite.runtime.transport.log_forwarding import take_record
from daglite.runtime.transport.result_buffers import BufferQuota
from daglite.runtime.transport.shared_memory import Arena


class Abandonable(Protocol):
    """What may have workers when the interpreter ends."""

    def strand(self) -> None: ...


# All that are open.
_OPEN: weakref.WeakSet[Abandonable] = weakref.WeakSet()


def strand_at_exit(engine: Abandonable) -> None:
    """Have `session.strand()` called when the interpreter ends, if the session is still there."""
    _OPEN.add(engine)


def _strand_all() -> None:
    for engine in list(_OPEN):
        engine.strand()


# Later than what users have registered since, earlier than Python's own last steps.
atexit.register(_strand_all)

_KINDS: dict[Kind, ResultKind] = {Kind.DONE: "done", Kind.FAIL: "failed", Kind.PIECE: "piece"}
_FRAMES = {"batch": Kind.BATCH, "generate": Kind.GENERATE, "stream": Kind.GENERATE}


class ProcessEngine:
    """A pool of worker processes; see `executor.Session`."""

    def __init__(self, workers: int, method: StartMethod, codec: Codec, items_per_worker: int | None = None) -> None:
        self.workers, self.batch_policy, self.codec = workers, LOCAL_BATCH_POLICY, codec
        self._method: StartMethod = method
        self._items_per_worker = items_per_worker
        self._programs = ProgramTable()
        self._pool: list[WorkerProcess] = []
        # How many chunks may be submitted, until something changes it; when the calls with a time limit must be over.
        self._free: int | None = None
        self._deadlines: dict[WorkerProcess, float] = {}
        self._owner = os.getpid()
        self._lost: list[WorkResult] = []
        # Workers with something new in their writers.
        self._unsent: set[WorkerProcess] = set()
        self._settled: list[Frame] = []
        self._fund = BufferQuota()
        self._listener: WorkerListener | None = None
        self._deaths = 0
        self._kills = memory_kills()
        self.stranded = False
        strand_at_exit(self)
        with interrupts_blocked():
            # From here on `close` sees to it.
            self._waiting = WorkerSelector()
        try:
            self._fill()
        except BaseException:
            self.close()
            raise

    def install(self, steps: Sequence[BoundStep]) -> int:
        return self._programs.add(self.codec, steps)

    def uninstall(self, program: int) -> None:
        self._programs.forget(program)
        for worker in self._pool:
            if program in worker.installed:
                worker.installed.discard(program)
                worker.writer.push(Frame(Kind.FORGET, program))
                self._flush(worker)
        self._programs.tidy(self._pool)

    def credits(self) -> int:
        if self._free is None:
            self._free = sum([worker.places for worker in self._pool])
        return self._free

    def has_idle_worker(self) -> bool:
        return any(not worker.busy and worker.left != 0 for worker in self._pool)

    def max_items(self) -> int | None:
        if self._items_per_worker is None:
            return None
        return max((worker.left or 0 for worker in self._pool if worker.places), default=1)

    def can_resume(self, function: Function) -> bool:
        # One that is replaced after so many items would leave what it has begun.
        return self._items_per_worker is None

    def submit(self, work_item: WorkItem) -> None:
        worker = self._chosen(work_item)
        if worker is None:
            self._lost.append(WorkResult(work_item.seq, "lost", worker=work_item.worker, started=False))
            return
        self._free = None
        worker.give(work_item)
        self._unsent.add(worker)
        if work_item.program not in worker.installed:
            worker.installed.add(work_item.program)
            self._define(worker)
            self._programs.send(work_item.program, worker)
        self._define(worker)
        worker.lend()
        segments = (
            work_item.segments if work_item.notes is None else [*work_item.segments, pickle.dumps(work_item.notes)]
        )
        flag = int(work_item.kind == "stream" or work_item.notes is not None)
        worker.writer.push(
            Frame(_FRAMES[work_item.kind], work_item.seq, work_item.first, work_item.program, flag, segments=segments)
        )

    def _chosen(self, work_item: WorkItem) -> WorkerProcess | None:
        """The worker that has least to do; for a light chunk one that is at work, as the others sleep."""
        if work_item.worker is not None:
            return next((worker for worker in self._pool if worker.pid == work_item.worker), None)
        light, chosen = work_item.light, None
        for worker in self._pool:
            if not worker.places or (worker.left is not None and worker.left < work_item.items):
                continue
            if chosen is None or (worker.places < chosen.places if light else worker.places > chosen.places):
                chosen = worker
        return chosen

    def flush(self) -> None:
        while self._unsent:
            self._flush(self._unsent.pop())

    def poll(self, timeout: float | None) -> Sequence[WorkResult]:
        self._fill()
        work_results, self._lost = self._lost, []
        while self._settled:
            # Only now: what came with it has been handed out, and an item that failed has been shown.
            take_back(self.codec.arena, self._settled.pop())
        for worker, what, events in self._waiting.select(0 if work_results else self.poll_timeout(timeout)):
            if worker not in self._pool:
                continue
            if what is worker.sock:
                if events & selectors.EVENT_WRITE:
                    self._flush(worker)
                if events & selectors.EVENT_READ and not self._receive(worker, work_results):
                    self._handle_dead_worker(worker, work_results)
            else:
                # The process ended; what it still managed to send counts.
                while self._receive(worker, work_results, to_the_end=True):
                    pass
                self._handle_dead_worker(worker, work_results)
        if self._deadlines:
            self._end_overdue(work_results)
        if self._items_per_worker is not None:
            self._renew()
        return work_results

    def wake(self) -> None:
        self._waiting.wake()

    def fileno(self) -> int:
        return self._waiting.fileno()

    def watch(self, fd: int, *, on: bool) -> None:
        self._waiting.watch(fd, on=on)

    def listen(self, listener: WorkerListener | None) -> None:
        self._listener = listener
        if listener is not None:
            for worker in self._pool:
                listener(worker.pid, None, None)

    def cancel(self) -> None:
        """Kill whoever is busy; `reset` fills the pool again."""
        for worker in [worker for worker in self._pool if worker.busy]:
            self._remove(worker)

    def reset(self) -> None:
        """Make the pool fit for another run: whoever is still busy is replaced."""
        self.cancel()
        self._programs.clear()
        self._lost.clear()
        self._settled.clear()
        self._waiting.drain()
        self._deaths = 0
        self._kills = memory_kills()
        self._fill()
        # Code is read anew when a run starts, so nothing of the old run's may be known any more.
        self._give_back()
        self._fund.spares.clear()
        self.codec = Codec("c", Arena())
        for worker in self._pool:
            worker.reset(self.codec.arena)
            self._flush(worker)
        self._programs.tidy(self._pool)

    def close(self) -> None:
        """Kill and reap every worker: whatever it still does, nobody waits for."""
        if os.getpid() != self._owner:
            # A copy in a process that the user forked: the workers are not its own.
            return
        with interrupts_blocked():
            for worker in self._pool:
                worker.kill()
            while self._pool:
                self._remove(self._pool[-1])
            self._waiting.close()
            self._programs.close()
            self._give_back()
            # A run that is over is collected later, and would hold what is large in them until then.
            self.codec.definitions.clear()

    def _give_back(self) -> None:
        if self.codec.arena is not None:
            self.codec.arena.close()

    def strand(self) -> None:
        """The interpreter ends although this is open: a stream nobody closed, kept workers, a run in a daemon thread.

        The workers end now, as Python may wait for something that they hold; the thread goes on, and starts no others.
        """
        self.stranded = True
        for worker in list(self._pool):
            worker.kill()

    def __del__(self) -> None:
        # A Ctrl-C may have come just before somebody took over the duty to close this.
        # At the very end of the interpreter there is nothing left to do it with.
        if self._pool and not self.stranded:
            self.close()

    def poll_timeout(self, timeout: float | None) -> float | None:
        """No longer than until the first call is overdue."""
        if not self._deadlines:
            return timeout
        left = max(0.0, min(self._deadlines.values()) - time.monotonic())
        return left if timeout is None else min(left, timeout)

    def _define(self, worker: WorkerProcess) -> None:
        """Tell a worker the definitions it does not know yet: what follows may need them."""
        if worker.told < len(self.codec.definitions):
            for body in self.codec.definitions[worker.told :]:
                worker.writer.push(Frame(Kind.DEFINE, segments=[body]))
            worker.told = len(self.codec.definitions)

    def _flush(self, worker: WorkerProcess) -> None:
        try:
            worker.writer.flush(worker.sock)
            if worker.bell is not None:
                worker.bell.ring()
        except OSError:  # a worker that is gone is noticed by its sentinel; here it must not disturb
            return
        waits = bool(worker.writer)
        if waits is not worker.waits:
            worker.waits = waits
            events = selectors.EVENT_READ | (selectors.EVENT_WRITE if waits else 0)
            self._waiting.selector.modify(worker.sock, events, worker)

    def _receive(self, worker: WorkerProcess, work_results: list[WorkResult], *, to_the_end: bool = False) -> bool:
        """Read what is there. False at the end of the socket, or with `to_the_end` when nothing more is there."""
        try:
            frames = worker.reader.read(worker.sock)
        except BlockingIOError:
            return not to_the_end
        except (EOFError, OSError):
            return False
        for frame in frames:
            self._take(worker, frame, work_results)
        return True

    def _take(self, worker: WorkerProcess, frame: Frame, work_results: list[WorkResult]) -> None:
        kind = _KINDS.get(frame.kind)
        if kind is not None:
            if kind != "piece":
                worker.answered()
                self._free = None
                self._deadlines.pop(worker, None)
            self._deaths = 0
            segments, error, reading = frame.segments, None, None
            if frame.number:
                segments, reading = segments[:-1], unpack_reading(bytes(segments[-1]))
            if kind == "failed":
                segments, error = segments[:-1], unpack_error(self.codec, bytes(segments[-1]))
            told = frame.at, frame.step, frame.seconds
            item_failures, worker.item_failures, worker.step = worker.item_failures, (), -1
            work_results.append(
                WorkResult(frame.seq, kind, *told, segments, worker.pid, True, None, error, "", reading, item_failures)
            )
        elif frame.kind is Kind.SETTLE:
            self._settled.append(frame)
        elif frame.kind is Kind.WANT:
            worker.lender.want(frame)
        elif frame.kind is Kind.DEFINE:
            self.codec.learn(bytes(frame.segments[0]))
        elif frame.kind is Kind.READY:
            worker.ready = True
        elif frame.kind is Kind.LOG:
            take_record(bytes(frame.segments[0]))
        elif frame.kind is Kind.MISHAPS:
            worker.item_failures = pickle.loads(frame.segments[0])
        elif frame.kind is Kind.START:
            worker.position, worker.step, worker.attempt = frame.at, frame.step, frame.number
            if frame.step >= 0 and frame.seconds:
                self._deadlines[worker] = time.monotonic() + frame.seconds
            else:
                self._deadlines.pop(worker, None)

    def _end_overdue(self, work_results: list[WorkResult]) -> None:
        """Kill workers whose call takes longer than its task's limit; nothing in Python could stop the call."""
        now = time.monotonic()
        for worker in [worker for worker, deadline in self._deadlines.items() if deadline <= now]:
            first = worker.answered()
            told = WorkResult(
                first.seq, "overdue", worker.position, worker.step, worker=worker.pid, attempt=worker.attempt
            )
            work_results.append(told)
            self._replace(worker, work_results, begun=False, why="overdue")

    def _handle_dead_worker(self, worker: WorkerProcess, work_results: list[WorkResult]) -> None:
        """A worker is dead: its chunks are lost, another takes its place."""
        self._deaths += 1
        hint = "" if worker.ended() else "it had closed its connection, so it was killed"
        # One that ended before it was up has not begun anything: no item is to blame.
        exitcode = self._replace(worker, work_results, begun=worker.ready, hint=hint)
        if self._deaths > max(10, 3 * self.workers):
            raise ExecutionError(
                f"{self._deaths} workers in a row ended without finishing an item (the last: exit code {exitcode}); "
                "is there enough memory, and can workers start here?"
            )

    def _replace(
        self,
        worker: WorkerProcess,
        work_results: list[WorkResult],
        *,
        begun: bool,
        hint: str = "",
        why: WorkerEndReason = "died",
    ) -> int | None:
        exitcode = self._remove(worker, why)
        if exitcode == -signal.SIGKILL:
            hint = hint or memory_hint(self._kills, memory_kills())
        for position, work_item in enumerate(worker.work_items):
            started = begun and position == 0
            step = worker.step if started else -1
            lost = WorkResult(work_item.seq, "lost", 0, step, 0.0, (), worker.pid, started, exitcode, hint=hint)
            work_results.append(lost)
        self._fill()
        return exitcode

    def _renew(self) -> None:
        """Replace workers that have taken all the items they may."""
        for worker in [worker for worker in self._pool if worker.left == 0 and not worker.busy]:
            self._remove(worker, "renewed")
        self._fill()

    def _remove(self, worker: WorkerProcess, why: WorkerEndReason | None = None) -> int | None:
        with interrupts_blocked():
            self._pool.remove(worker)
            self._unsent.discard(worker)
            self._free = None
            self._deadlines.pop(worker, None)
            for watched in (worker.sock, worker.process.sentinel):
                with contextlib.suppress(KeyError, ValueError):
                    self._waiting.selector.unregister(watched)
            worker.kill()
            exitcode = worker.reap()
        if why is not None and self._listener is not None:
            self._listener(worker.pid, exitcode, why)
        return exitcode

    def _fill(self) -> None:
        """Start workers for those that are missing; forked ones not from the helper, see `THREAD_ROLE`.

        A copy of the process keeps the locks of the user's source for ever. The caller starts them when it is back.
        """
        while len(self._pool) < self.workers:
            if self._method == "fork" and THREAD_ROLE.helping:
                return
            if self._lost_thread():
                # As Python itself stops such threads, a little later.
                threading.Event().wait()
            self._start()

    def _lost_thread(self) -> bool:
        """Whether nobody waits for the thread that asks: the interpreter ends without it."""
        return self.stranded and threading.current_thread().daemon

    def _start(self) -> None:
        with interrupts_blocked():
            worker = start_worker(self._method, self.workers, self._items_per_worker)
            worker.lender.fund = self._fund
            worker.writer.arena = self.codec.arena
            self._pool.append(worker)
            self._free = None
            self._waiting.selector.register(worker.sock, selectors.EVENT_READ, worker)
            self._waiting.selector.register(worker.process.sentinel, selectors.EVENT_READ, worker)
            if self._lost_thread():
                worker.kill()
        if self._listener is not None:
            self._listener(worker.pid, None, None)
