"""The loop inside a worker process: receive, run, reply; and die when the coordinator does.

Frames in:   DEFINE(body)  FORGET(seq=program)  RESET  STOP
             INSTALL(seq=program, number=descriptors of blocks, body, sizes of buffers, those without a block)
             BATCH(seq, at=first item, number=program, cells)  GENERATE(seq, number=program, step=1: streamed)
             With step=1 in BATCH the last segment are notes (see `executor`).
             BELL, before all others, with the descriptor of the bell to sleep at
             LEND(number=descriptors of new blocks, step=1: there are no more, blocks, sizes of new ones)
Frames out:  READY  DEFINE(body)  DONE(seq, at=how many items, seconds, cells)  LOG(record)
             FAIL(seq, at=how many items, step, seconds, cells + error)  PIECE(seq, at=how many, step=attempt, cells)
             With number=1 in DONE and FAIL the last segment is what the clocks of the steps say (see `timer`).
             MISHAPS(seq, items that failed without ending the run), before the answer to their batch
             START(at=position in the batch, step or -1, seconds=time limit, number=attempt), around calls with a time
             limit; without one (seconds=0) before calls that may be the end of this worker
             SETTLE(blocks that are free, blocks that are kept), after the answer to what came in them
             WANT(sizes of large results that had no block, blocks that are given back), before the answer
"""

from __future__ import annotations

import contextlib
import faulthandler
import fcntl
import os
import pickle
import signal
import socket
import sys
import threading
import time
import traceback
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import Any, NoReturn

from daglite.exceptions import TransferError
from daglite.failed import Failed
from daglite.runtime.engines.processes.eventfd import EventFdReader
from daglite.runtime.engines.processes.fork import end_copy
from daglite.runtime.kernel.batch import BatchRun, drain
from daglite.runtime.kernel.chunked_results import OpenIterators
from daglite.runtime.kernel.event_loop import PrivateLoop
from daglite.runtime.kernel.program_bytes import load_shared_buffers, unpack_steps
from daglite.runtime.kernel.retry import RetryTracker, portable
from daglite.runtime.kernel.steps import BoundStep, StepChain
from daglite.runtime.kernel.timers import pack_reading, take_reading
from daglite.runtime.serialization.exceptions import pack_error
from daglite.runtime.serialization.pickler import Codec
from daglite.runtime.transport.frames import Frame, FrameReader, FrameWriter, Kind, Segment, settle
from daglite.runtime.transport.log_forwarding import forward_logs
from daglite.runtime.transport.result_buffers import WorkerBuffers
from daglite.runtime.transport.shared_memory import Arena

_inside = False
_thread = threading.local()


def inside_worker() -> bool:
    """Whether this process is a worker of a run, or this thread works for one on a cluster."""
    return _inside or getattr(_thread, "works", False)


@contextlib.contextmanager
def working_inside() -> Iterator[None]:
    """While this thread works for a run: the process belongs to somebody else, who does other things in it too."""
    _thread.works = True
    try:
        yield
    finally:
        _thread.works = False


def worker_main(sock: socket.socket, guard: socket.socket, threads: int, settings: bytes) -> NoReturn:
    """Serve until told to stop or the coordinator is gone; never returns.

    `threads` is how many threads a numerical library may use here; `settings` are the coordinator's log
    levels and warning filters.
    `sock` carries the frames. `guard` carries nothing: it tells, by its end, that the coordinator is gone.
    """
    global _inside
    _inside = True
    # The process was started with SIGINT blocked, so no Ctrl-C can arrive before it is ignored.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT})
    _die_with_coordinator(guard)
    with contextlib.suppress(Exception):
        faulthandler.enable()
    code = 0
    try:
        _limit_threads(threads)
        worker = _Worker(sock)
        os.register_at_fork(after_in_child=worker.disown)
        os.register_at_fork(after_in_child=guard.close)
        forward_logs(settings, worker.send_log, worker.where)
        worker.serve()
    except (EOFError, ConnectionError, BrokenPipeError):
        pass
    except BaseException as error:  # a bug of ours must be seen, and must not run the coordinator's copied cleanup
        traceback.print_exception(error)
        code = 1
    finally:
        _flush()
        # Not `sys.exit`: a forked copy of an open generator, or of the user's atexit handlers, must not run here.
        os._exit(code)


def _die_with_coordinator(guard: socket.socket) -> None:
    """Ask the kernel for SIGIO, whose default action ends the process, when the other end of `guard` closes.

    Nothing in Python can do this: a task in C code may hold the interpreter for minutes.
    """
    signal.signal(signal.SIGIO, signal.SIG_DFL)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGIO})
    fcntl.fcntl(guard, fcntl.F_SETOWN, os.getpid())
    fcntl.fcntl(guard, fcntl.F_SETFL, fcntl.fcntl(guard, fcntl.F_GETFL) | os.O_ASYNC | os.O_NONBLOCK)
    # It may have closed before the kernel was asked.
    with contextlib.suppress(BlockingIOError):
        if guard.recv(1) == b"":
            os._exit(0)


def _limit_threads(threads: int) -> None:
    """Workers share the processors: a library that starts a thread for each of them would only get in the way."""
    for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMEXPR_NUM_THREADS"):
        os.environ.setdefault(name, str(threads))


def _flush() -> None:
    try:
        sys.stdout.flush()
        sys.stderr.flush()
    except Exception:
        # One of them is closed, or none, or the user's own.
        for stream in (sys.stdout, sys.stderr):
            with contextlib.suppress(Exception):
                stream.flush()


def _read_clocks(chain: StepChain, started: float) -> list[bytes]:
    """The last segment of an answer where the steps are clocked."""
    return [pack_reading(take_reading(started, chain.timers))] if chain.timers else []


def _new_codec(arena: Arena) -> Codec:
    return Codec(f"w{os.getpid()}-{os.urandom(4).hex()}", arena, passes_on=False)


class _Worker:
    """What a worker knows: its socket, the programs installed, its codec."""

    def __init__(self, sock: socket.socket) -> None:
        sock.setblocking(True)
        self._sock = sock
        self._reader = FrameReader()
        self._post: EventFdReader | None = None
        self._run: BatchRun | None = None
        self._copy = False
        self._sending = threading.RLock()
        self._loop = PrivateLoop()
        self._borrowed = WorkerBuffers()
        self._codec = _new_codec(self._borrowed)
        self._writer = FrameWriter(self._borrowed)
        self._told = 0
        self._programs: dict[int, StepChain | TransferError] = {}
        self._trials = RetryTracker(portable=self._portable, worker=os.getpid, announce=self._announce)
        self._opened = OpenIterators()
        self._answers: dict[Kind, Callable[[Frame], None]] = {
            Kind.DEFINE: lambda frame: self._learn(frame.segments[0]),
            Kind.INSTALL: self._install,
            Kind.FORGET: self._forget,
            Kind.RESET: self._reset,
            Kind.BUFFERS: lambda frame: self._borrowed.receive(frame, self._reader.mappings.frame_descriptors),
            Kind.BATCH: self._run_batch,
            Kind.GENERATE: self._generate,
        }

    def serve(self) -> None:
        self._send(Frame(Kind.READY))
        reader = self._reader
        while True:
            frames = self._read(reader)
            while frames:
                frame = frames.popleft()
                if frame.kind is Kind.STOP:
                    return
                self._answers[frame.kind](frame)
                self._borrowed.reclaim()
                # It may hold the last view of its shared memory.
                del frame
                # After the answer: a block that is free is written to again, and the item may be needed once more.
                if (settled := settle(reader)) is not None:
                    self._send(settled)

    def _read(self, reader: FrameReader) -> deque[Frame]:
        """The next frames, waiting for them at the bell once there is one."""
        while True:
            try:
                frames = deque(reader.read(self._sock))
            except BlockingIOError:
                assert self._post is not None
                self._post.sleep()
                continue
            if frames and frames[0].kind is Kind.EVENTFD:
                # It is the first of all frames.
                frames.popleft()
                self._post = EventFdReader(reader.mappings.descriptors.popleft(), self._sock)
                reader.flags = int(socket.MSG_DONTWAIT)
            return frames

    def disown(self) -> None:
        """This is a copy that a task has forked: no other item is its business, and no answer (see `forks`)."""
        self._copy = True
        self._sock.close()
        if self._run is not None:
            self._run.forget_rest()

    def where(self) -> tuple[str, int | None]:
        """The task at work, and the index of its item if there is one."""
        return ("", None) if self._run is None else self._run.where()

    def send_log(self, record: bytes) -> None:
        """Send a log record or a warning; from whichever thread it comes."""
        self._send(Frame(Kind.LOG, segments=[record]))

    def _learn(self, body: Segment) -> None:
        # What cannot be loaded here shows when an item needs it, with the item's index.
        with contextlib.suppress(Exception):
            self._codec.add_definition(body)
        self._told = len(self._codec.definitions)

    def _install(self, frame: Frame) -> None:
        try:
            buffers = load_shared_buffers(self._codec, frame.segments, self._reader.mappings.frame_descriptors)
            steps = unpack_steps(self._codec, frame.segments[0], buffers)
            self._programs[frame.seq] = StepChain(steps, self._loop, self._announce, self._trials)
        except TransferError as error:
            self._programs[frame.seq] = error
        except BaseException as error:
            self._programs[frame.seq] = TransferError(f"a task cannot be loaded in a worker: {error!r}")

    def _reset(self, frame: Frame) -> None:
        self._opened.forget()
        self._programs.clear()
        self._told = 0
        # The coordinator has a new arena for the next run; the reader knows.
        self._borrowed.close()
        self._codec = _new_codec(self._borrowed)

    def _forget(self, frame: Frame) -> None:
        self._opened.forget(frame.seq)
        self._programs.pop(frame.seq, None)

    def _send(self, frame: Frame) -> None:
        if self._copy:
            return
        # A task's own threads may log while the task's thread answers.
        with self._sending:
            # Definitions go first: the cells of this frame may need them.
            definitions = self._codec.definitions
            if self._told < len(definitions):
                for body in definitions[self._told :]:
                    self._writer.push(Frame(Kind.DEFINE, segments=[body]))
                self._told = len(definitions)
            if (want := self._borrowed.request()) is not None:
                self._writer.push(want)
            self._writer.push(frame)
            self._writer.flush(self._sock)

    def _chain(self, frame: Frame) -> StepChain | None:
        """The program of a chunk; when it could not be loaded, the failure is sent."""
        found = self._programs[frame.number]
        if isinstance(found, StepChain):
            return found
        self._fail(frame.seq, -1, [], 0.0, found)
        return None

    def _run_batch(self, frame: Frame) -> None:
        chain = self._chain(frame)
        if chain is None:
            return
        started = time.perf_counter()
        segments, notes = frame.segments, None
        if frame.step == 1:
            segments, notes = segments[:-1], pickle.loads(segments[-1])
        run = self._run = BatchRun(chain, self._codec, frame.at, self._opened, frame.number, notes)
        error = run.run(*self._codec.unpack(segments))
        if self._copy:
            end_copy(error)
        seconds = time.perf_counter() - started - self._trials.slept()
        self._run = None
        _flush()
        clocks = _read_clocks(chain, started)
        if self._trials.item_failures:
            self._send(Frame(Kind.ITEM_FAILURES, frame.seq, segments=[pickle.dumps(self._trials.take_item_failures())]))
        if error is not None:
            self._fail(frame.seq, run.step, run.cells, seconds, error, run.done, clocks)
        else:
            segments = self._codec.pack(run.cells, plain=run.plain)
            if clocks:
                segments = [*segments, *clocks]
            self._send(Frame(Kind.DONE, frame.seq, run.done, len(clocks), -1, seconds, segments))

    def _fail(
        self,
        seq: int,
        step: int,
        cells: list[object],
        seconds: float,
        error: BaseException,
        count: int = 0,
        clocks: Sequence[bytes] = (),
    ) -> None:
        segments = [*self._codec.pack(cells), pack_error(self._codec, error), *clocks]
        self._send(Frame(Kind.FAIL, seq, count, len(clocks), step, seconds, segments))

    def _announce(self, step: int, seconds: float) -> None:
        """Tell the coordinator that a call with a time limit begins (or, step -1, that it is over)."""
        position = 0 if self._run is None else self._run.position()
        self._send(Frame(Kind.START, at=position, step=step, seconds=seconds, number=self._trials.attempt))

    def _portable(self, failed: Failed[Any]) -> Failed[Any]:
        # The codec changes with the run.
        return portable(self._codec)(failed)

    def _generate(self, frame: Frame) -> None:
        chain = self._chain(frame)
        if chain is None:
            return
        step = chain.steps[0]
        send, begin = partial(self._send_piece, frame.seq), partial(self._begin, step)
        started = time.perf_counter()
        end = drain(step, self._loop, self._codec, send, begin, streamed=frame.step == 1, trials=self._trials)
        if self._copy:
            end_copy(end.error)
        seconds = time.perf_counter() - started
        _flush()
        clocks = _read_clocks(chain, started)
        if end.error is not None:
            self._fail(frame.seq, step.number, end.cells, seconds, end.error, len(end.cells), clocks)
        else:
            packed = [*self._codec.pack(end.cells), *clocks]
            self._send(Frame(Kind.DONE, frame.seq, len(end.cells), len(clocks), end.attempt, seconds, packed))

    def _begin(self, step: BoundStep) -> None:
        """An attempt at a generator begins."""
        if self._copy:
            # The one before it failed, and a copy tries nothing again.
            end_copy(SystemExit(1))
        if step.function.timeout is not None:
            self._announce(step.number, step.function.timeout)

    def _send_piece(self, seq: int, attempt: int, cells: list[object]) -> None:
        self._send(Frame(Kind.CHUNK, seq, len(cells), 0, attempt, 0.0, self._codec.pack(cells)))
