"""The process engine: it sends work items to worker processes, receives their results and replaces workers.

The coordinator never blocks on a socket. A worker that sends while the coordinator sends would wait for it for ever.

How a worker that died is replaced:

    poll                      its sentinel is readable, or its socket has reached its end
    -> _handle_dead_worker    reads the results that it still sent, and counts deaths without a result between them
       -> _replace            turns each of its work items into a "lost" result; the dispatcher sends them again
          -> _remove          stops watching it, kills and reaps it, tells the listener
          -> _fill            starts a worker in its place

`_end_overdue` replaces a worker whose call exceeds its time limit in the same way. `_renew` replaces one that has taken
all the items that it may take, which has no work item then.
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
from itertools import count

from daglite.exceptions import ExecutionError
from daglite.functions import Function
from daglite.options import StartMethod
from daglite.runtime.engines.base import LOCAL_BATCH_POLICY, THREAD_ROLE, WorkerEndReason, WorkerListener
from daglite.runtime.engines.processes.oom import memory_hint, memory_kills
from daglite.runtime.engines.processes.selector import WorkerSelector
from daglite.runtime.engines.processes.worker_handle import WorkerProcess, interrupts_blocked, start_worker
from daglite.runtime.kernel.bound_step import BoundStep
from daglite.runtime.kernel.program_bytes import PackedSteps
from daglite.runtime.kernel.timers import unpack_reading
from daglite.runtime.kernel.work import ResultKind, WorkItem, WorkResult
from daglite.runtime.serialization.exceptions import unpack_error
from daglite.runtime.serialization.pickler import Codec
from daglite.runtime.transport.frames import Frame, Kind, apply_release
from daglite.runtime.transport.log_forwarding import handle_record
from daglite.runtime.transport.result_buffers import BufferQuota
from daglite.runtime.transport.shared_memory import Arena

_RESULT_KINDS: dict[Kind, ResultKind] = {Kind.DONE: "done", Kind.FAIL: "failed", Kind.CHUNK: "chunk"}
_FRAME_KINDS = {"batch": Kind.BATCH, "generate": Kind.GENERATE, "stream": Kind.GENERATE}


class ProcessEngine:
    """An engine of worker processes."""

    def __init__(self, workers: int, method: StartMethod, codec: Codec, items_per_worker: int | None = None) -> None:
        """`items_per_worker`: how many items a worker takes before it is replaced (None: any number)."""
        self.workers, self.batch_policy, self.codec = workers, LOCAL_BATCH_POLICY, codec
        # Whether the interpreter ends; then workers are not replaced any more.
        self.exiting = False
        self._method: StartMethod = method
        self._items_per_worker = items_per_worker
        self._owner = os.getpid()
        self._pool: list[WorkerProcess] = []
        # The result of `credits`, until something changes it.
        self._credits: int | None = None
        # When calls with a time limit must be over.
        self._deadlines: dict[WorkerProcess, float] = {}
        # Results without a worker; frames that return blocks of shared memory after the results before them.
        self._lost: list[WorkResult] = []
        self._settled: list[Frame] = []
        # Workers with frames that are not sent yet.
        self._unsent: set[WorkerProcess] = set()
        self._numbers = count()
        self._programs: dict[int, PackedSteps] = {}
        # Programs that are not needed any more, until all their frames are sent.
        self._released: list[PackedSteps] = []
        self._buffer_quota = BufferQuota()
        self._listener: WorkerListener | None = None
        # Deaths since the last result, and the counters of the out-of-memory killer when the run began.
        self._deaths = 0
        self._kills = memory_kills()
        _OPEN_ENGINES.add(self)
        with interrupts_blocked():
            # From here on `close` has to be called.
            self._selector = WorkerSelector()
        try:
            self._fill()
        except BaseException:
            self.close()
            raise

    def install(self, steps: Sequence[BoundStep]) -> int:
        packed, number = PackedSteps(self.codec, steps), next(self._numbers)
        self._programs[number] = packed
        return number

    def uninstall(self, program: int) -> None:
        if program in self._programs:
            self._released.append(self._programs.pop(program))
        for worker in self._pool:
            if program in worker.installed:
                worker.installed.discard(program)
                worker.writer.push(Frame(Kind.FORGET, program))
                self._flush(worker)
        self._free_programs()

    def credits(self) -> int:
        if self._credits is None:
            self._credits = sum([worker.credits for worker in self._pool])
        return self._credits

    def has_idle_worker(self) -> bool:
        return any(not worker.work_items and worker.items_left != 0 for worker in self._pool)

    def max_items(self) -> int | None:
        if self._items_per_worker is None:
            return None
        return max((worker.items_left or 0 for worker in self._pool if worker.credits), default=1)

    def can_resume(self, function: Function) -> bool:
        # A worker that is replaced after a number of items would drop the results that it has begun.
        return self._items_per_worker is None

    def submit(self, work_item: WorkItem) -> None:
        worker = self._choose(work_item)
        if worker is None:
            self._lost.append(WorkResult(work_item.seq, "lost", worker=work_item.worker, started=False))
            return
        self._credits = None
        worker.assign(work_item)
        self._unsent.add(worker)
        program = work_item.program
        if program not in worker.installed:
            worker.installed.add(program)
            worker.push_definitions(self.codec.definitions)
            packed = self._programs[program]
            frame = Frame(Kind.INSTALL, program, number=len(packed.descriptors), segments=packed.segments)
            worker.writer.push(frame, packed.descriptors)
        worker.push_definitions(self.codec.definitions)
        worker.push_buffers()
        segments, flag = work_item.payload, int(work_item.kind == "stream")
        if work_item.context is not None:
            segments, flag = [*segments, pickle.dumps(work_item.context)], 1
        kind = _FRAME_KINDS[work_item.kind]
        worker.writer.push(Frame(kind, work_item.seq, work_item.first_index, program, flag, segments=segments))

    def _choose(self, work_item: WorkItem) -> WorkerProcess | None:
        """Return the worker with the fewest work items; for a light one a busy worker, as the others sleep."""
        if work_item.worker is not None:
            return next((worker for worker in self._pool if worker.pid == work_item.worker), None)
        light, chosen = work_item.light, None
        for worker in self._pool:
            if not worker.credits or (worker.items_left is not None and worker.items_left < work_item.item_count):
                continue
            if chosen is None or (worker.credits < chosen.credits if light else worker.credits > chosen.credits):
                chosen = worker
        return chosen

    def flush(self) -> None:
        while self._unsent:
            self._flush(self._unsent.pop())

    def poll(self, timeout: float | None) -> Sequence[WorkResult]:
        self._fill()
        work_results, self._lost = self._lost, []
        while self._settled:
            # Only now: the results before it have been passed on, and a failed item has been reported.
            apply_release(self.codec.arena, self._settled.pop())
        for worker, source, events in self._selector.select(0 if work_results else self.poll_timeout(timeout)):
            if worker not in self._pool:
                continue
            if source is not worker.sock:
                # Its sentinel: the process has ended.
                self._handle_dead_worker(worker, work_results)
                continue
            if events & selectors.EVENT_WRITE:
                self._flush(worker)
            if events & selectors.EVENT_READ and not self._receive(worker, work_results):
                self._handle_dead_worker(worker, work_results)
        if self._deadlines:
            self._end_overdue(work_results)
        if self._items_per_worker is not None:
            self._renew()
        return work_results

    def wake(self) -> None:
        self._selector.wake()

    def fileno(self) -> int:
        return self._selector.fileno()

    def watch(self, fd: int, *, on: bool) -> None:
        self._selector.watch(fd, on=on)

    def poll_timeout(self, timeout: float | None) -> float | None:
        """Return how long a wait may be: no longer than until the first call exceeds its time limit."""
        if not self._deadlines:
            return timeout
        left = max(0.0, min(self._deadlines.values()) - time.monotonic())
        return left if timeout is None else min(left, timeout)

    def listen(self, listener: WorkerListener | None) -> None:
        self._listener = listener
        if listener is not None:
            for worker in self._pool:
                listener(worker.pid, None, None)

    def cancel(self) -> None:
        """Kill the busy workers; `reset` starts others."""
        for worker in [worker for worker in self._pool if worker.work_items]:
            self._remove(worker)

    def reset(self) -> None:
        self.cancel()
        self._release_programs()
        self._lost.clear()
        self._settled.clear()
        self._selector.drain()
        self._deaths = 0
        self._kills = memory_kills()
        self._fill()
        # Code is read anew when a run starts, so workers must drop what they know of the last run's code.
        self._close_arena()
        self._buffer_quota.pool.clear()
        self.codec = Codec("c", Arena())
        for worker in self._pool:
            worker.reset(self.codec.arena)
            self._flush(worker)
        self._free_programs()

    def close(self) -> None:
        """Kill and reap all workers, also busy ones."""
        if os.getpid() != self._owner:
            # A copy in a process that the user forked: the workers are not its children.
            return
        with interrupts_blocked():
            for worker in self._pool:
                worker.kill()
            while self._pool:
                self._remove(self._pool[-1])
            self._selector.close()
            self._release_programs()
            self._free_programs()
            self._close_arena()
            # The codec is garbage-collected later; its large definitions are not needed until then.
            self.codec.definitions.clear()

    def _release_programs(self) -> None:
        self._released += self._programs.values()
        self._programs.clear()

    def _free_programs(self) -> None:
        """Close the blocks of released programs, unless a worker has not been sent all of its frames yet."""
        if not any(worker.writer for worker in self._pool):
            while self._released:
                self._released.pop().close()

    def _close_arena(self) -> None:
        if self.codec.arena is not None:
            self.codec.arena.close()

    def kill_at_exit(self) -> None:
        """Kill the workers because the interpreter ends: Python may wait for something that they hold.

        The run of a daemon thread may go on for a moment; it starts no others.
        """
        self.exiting = True
        for worker in list(self._pool):
            worker.kill()

    def __del__(self) -> None:
        # A Ctrl-C may have come just before the caller took over the duty to close this.
        # At the very end of the interpreter the modules that `close` needs may be gone.
        if self._pool and not self.exiting:
            self.close()

    def _flush(self, worker: WorkerProcess) -> None:
        try:
            worker.writer.flush(worker.sock)
            if worker.event_fd is not None:
                worker.event_fd.notify()
        except OSError:  # the worker is dead: its sentinel tells, and this must not raise
            return
        pending = bool(worker.writer)
        if pending is not worker.write_pending:
            worker.write_pending = pending
            events = selectors.EVENT_READ | (selectors.EVENT_WRITE if pending else 0)
            self._selector.selector.modify(worker.sock, events, worker)

    def _receive(self, worker: WorkerProcess, work_results: list[WorkResult]) -> bool:
        """Take in the frames that are there; return False when the socket has reached its end."""
        try:
            frames = worker.reader.read(worker.sock)
        except BlockingIOError:
            return True
        except (EOFError, OSError):
            return False
        for frame in frames:
            self._take_in(worker, frame, work_results)
        return True

    def _take_in(self, worker: WorkerProcess, frame: Frame, work_results: list[WorkResult]) -> None:
        kind = _RESULT_KINDS.get(frame.kind)
        if kind is not None:
            if kind != "chunk":
                worker.complete()
                self._credits = None
                self._deadlines.pop(worker, None)
            self._deaths = 0
            segments, error, trace, reading = frame.segments, None, "", None
            if frame.number:
                segments, reading = segments[:-1], unpack_reading(bytes(segments[-1]))
            if kind == "failed":
                error, trace = unpack_error(self.codec, bytes(segments[-1]))
                segments = segments[:-1]
            counts = frame.at, frame.step, frame.seconds
            item_failures, worker.item_failures, worker.step = worker.item_failures, (), -1
            work_results.append(
                WorkResult(
                    frame.seq,
                    kind,
                    *counts,
                    segments,
                    worker.pid,
                    error=error,
                    traceback=trace,
                    reading=reading,
                    item_failures=item_failures,
                )
            )
        elif frame.kind is Kind.RELEASE:
            self._settled.append(frame)
        elif frame.kind is Kind.BUFFER_REQUEST:
            worker.result_buffers.request(frame)
        elif frame.kind is Kind.DEFINE:
            self.codec.add_definition(bytes(frame.segments[0]))
        elif frame.kind is Kind.READY:
            worker.ready = True
        elif frame.kind is Kind.LOG:
            handle_record(bytes(frame.segments[0]))
        elif frame.kind is Kind.ITEM_FAILURES:
            worker.item_failures = pickle.loads(frame.segments[0])
        elif frame.kind is Kind.START:
            worker.position, worker.step, worker.attempt = frame.at, frame.step, frame.number
            if frame.step >= 0 and frame.seconds:
                self._deadlines[worker] = time.monotonic() + frame.seconds
            else:
                self._deadlines.pop(worker, None)

    def _end_overdue(self, work_results: list[WorkResult]) -> None:
        """Replace workers whose call exceeds its time limit; nothing in Python could stop the call."""
        now = time.monotonic()
        for worker in [worker for worker, deadline in self._deadlines.items() if deadline <= now]:
            seq, position, step = worker.complete().seq, worker.position, worker.step
            work_results.append(WorkResult(seq, "overdue", position, step, worker=worker.pid, attempt=worker.attempt))
            self._replace(worker, work_results, "overdue", started=False)

    def _handle_dead_worker(self, worker: WorkerProcess, work_results: list[WorkResult]) -> None:
        """Replace a worker that has died, and raise `ExecutionError` when too many die without a result."""
        # The results that it sent before its end count. The last read raises: at the end, or as nothing more is there.
        while True:
            try:
                frames = worker.reader.read(worker.sock)
            except (EOFError, OSError):
                break
            # Outside of the `try`: what a log handler of the user raises is not the end of the socket.
            for frame in frames:
                self._take_in(worker, frame, work_results)
        self._deaths += 1
        hint = "" if worker.has_ended() else "it had closed its connection, so it was killed"
        # One that ended before it was up has not started anything: no item is to blame.
        exitcode = self._replace(worker, work_results, "died", started=worker.ready, hint=hint)
        if self._deaths > max(10, 3 * self.workers):
            raise ExecutionError(
                f"{self._deaths} workers in a row ended without finishing an item (the last: exit code {exitcode}); "
                "is there enough memory, and can workers start here?"
            )

    def _replace(
        self,
        worker: WorkerProcess,
        work_results: list[WorkResult],
        reason: WorkerEndReason,
        *,
        started: bool,
        hint: str = "",
    ) -> int | None:
        """End a worker, report its work items as lost and start another; return its exit code.

        `started`: whether the oldest of its work items may have started.
        """
        exitcode = self._remove(worker, reason)
        if exitcode == -signal.SIGKILL:
            hint = hint or memory_hint(self._kills, memory_kills())
        for work_item in worker.work_items:
            step = worker.step if started else -1
            lost = WorkResult(work_item.seq, "lost", 0, step, 0.0, (), worker.pid, started, exitcode, hint=hint)
            work_results.append(lost)
            started = False
        self._fill()
        return exitcode

    def _renew(self) -> None:
        """Replace workers that have taken all the items they may."""
        for worker in [worker for worker in self._pool if worker.items_left == 0 and not worker.work_items]:
            self._remove(worker, "renewed")
        self._fill()

    def _remove(self, worker: WorkerProcess, reason: WorkerEndReason | None = None) -> int | None:
        """Kill and reap a worker; return its exit code. With a `reason`, report its end to the listener."""
        with interrupts_blocked():
            self._pool.remove(worker)
            self._unsent.discard(worker)
            self._credits = None
            self._deadlines.pop(worker, None)
            for watched in (worker.sock, worker.process.sentinel):
                with contextlib.suppress(KeyError, ValueError):
                    self._selector.selector.unregister(watched)
            worker.kill()
            exitcode = worker.reap()
        if reason is not None and self._listener is not None:
            self._listener(worker.pid, exitcode, reason)
        return exitcode

    def _fill(self) -> None:
        """Start the workers that are missing.

        The helper thread does not fork (see `THREAD_ROLE`): a copy of the process keeps the locks that the user's
        source holds for ever. The caller's thread starts those workers at its next `poll`.
        """
        while len(self._pool) < self.workers:
            if self._method == "fork" and THREAD_ROLE.helping:
                return
            if self._daemon_at_exit():
                # As Python itself stops such threads, a little later.
                threading.Event().wait()
            self._start()

    def _daemon_at_exit(self) -> bool:
        """Return whether the interpreter ends without waiting for the current thread."""
        return self.exiting and threading.current_thread().daemon

    def _start(self) -> None:
        with interrupts_blocked():
            worker = start_worker(self._method, self.workers, self._items_per_worker)
            worker.result_buffers.quota = self._buffer_quota
            worker.writer.arena = self.codec.arena
            self._pool.append(worker)
            self._credits = None
            self._selector.selector.register(worker.sock, selectors.EVENT_READ, worker)
            self._selector.selector.register(worker.process.sentinel, selectors.EVENT_READ, worker)
            if self._daemon_at_exit():
                worker.kill()
        if self._listener is not None:
            self._listener(worker.pid, None, None)


# Engines that may still have workers when the interpreter ends: of a stream that was not closed, of a pool that is
# kept, of a daemon thread.
_OPEN_ENGINES: weakref.WeakSet[ProcessEngine] = weakref.WeakSet()


def _kill_workers_at_exit() -> None:
    for engine in list(_OPEN_ENGINES):
        engine.kill_at_exit()


# After the handlers that users have registered since, before the last steps of Python.
atexit.register(_kill_workers_at_exit)
