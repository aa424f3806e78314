"""Run in a worker process: receive frames, run work items, send their results; end when the coordinator ends.

Frames in:   EVENTFD, before all others, with the descriptor of the eventfd to wait at
             DEFINE(definition)  FORGET(seq=program)  RESET  STOP
             INSTALL(seq=program, number=descriptors of blocks, steps, sizes of buffers, those without a block)
             BATCH(seq, at=first index, number=program, items); with step=1 the last segment is a `BatchContext`
             GENERATE(seq, number=program, step=1: for `.iter`)
             BUFFERS(number=descriptors of new blocks, step=1: there are no more, blocks, sizes of new ones)
Frames out:  READY  DEFINE(definition)  LOG(record)
             DONE(seq, at=completed, seconds, results)  FAIL(seq, at=completed, step, seconds, results + error)
             With number=1 in DONE and FAIL the last segment is a `TimerReading`.
             CHUNK(seq, at=items, step=attempt, items)
             ITEM_FAILURES(seq, items that failed without ending the run), before the result of their batch
             START(at=position in the batch, step or -1, seconds=time limit, number=attempt), around calls with a time
             limit; without one (seconds=0) before calls that may end this worker
             RELEASE(blocks that are free, blocks that are kept), after the result of the items in them
             BUFFER_REQUEST(sizes of large results without a block, blocks that are given back), before the result
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
import traceback
from collections import deque
from collections.abc import Callable, Iterator
from typing import Any, NoReturn

from daglite.exceptions import TransferError
from daglite.failed import Failed
from daglite.runtime.engines.processes.eventfd import EventFdReader
from daglite.runtime.engines.processes.fork import end_copy
from daglite.runtime.kernel.chunked_results import OpenIterators
from daglite.runtime.kernel.event_loop import PrivateLoop
from daglite.runtime.kernel.program_bytes import load_shared_buffers, unpack_steps
from daglite.runtime.kernel.retry import RetryTracker, portable
from daglite.runtime.kernel.steps import StepChain
from daglite.runtime.kernel.timers import pack_reading
from daglite.runtime.kernel.work import WorkItem, WorkKind, WorkResult
from daglite.runtime.kernel.work_runner import WorkRunner
from daglite.runtime.serialization.exceptions import pack_error
from daglite.runtime.serialization.pickler import Codec
from daglite.runtime.transport.frames import Frame, FrameReader, FrameWriter, Kind, Segment, release_frame
from daglite.runtime.transport.log_forwarding import forward_logs
from daglite.runtime.transport.result_buffers import WorkerBuffers

_inside = False
_thread = threading.local()


def inside_worker() -> bool:
    """Return whether this process is a worker of a run, or this thread works for one on a cluster."""
    return _inside or getattr(_thread, "works", False)


@contextlib.contextmanager
def working_inside() -> Iterator[None]:
    """Mark this thread as working for a run, in a process of a cluster that has other threads too."""
    _thread.works = True
    try:
        yield
    finally:
        _thread.works = False


def worker_main(sock: socket.socket, guard: socket.socket, threads: int, settings: bytes) -> NoReturn:
    """Serve until a STOP frame, or until the coordinator is gone; never returns.

    `sock` carries the frames. `guard` carries nothing: it is closed when the coordinator ends. `threads` is the number
    of threads for numerical libraries; `settings` are the log levels and warning filters of the coordinator.
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
        forward_logs(settings, worker.send_log, worker.runner.where)
        worker.serve()
    except (EOFError, ConnectionError, BrokenPipeError):
        pass
    except BaseException as error:  # a bug in daglite is shown, and must not run the copied cleanup of the coordinator
        traceback.print_exception(error)
        code = 1
    finally:
        _flush()
        # Not `sys.exit`: a forked copy of an open generator, or of the user's atexit handlers, must not run here.
        os._exit(code)


def _die_with_coordinator(guard: socket.socket) -> None:
    """Ask the kernel for SIGIO, whose default action ends the process, when the other end of `guard` closes.

    Python code cannot watch for this: a task in C code may hold the interpreter for minutes.
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
    """Limit the threads of numerical libraries, which start one for each processor: workers share the processors."""
    for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMEXPR_NUM_THREADS"):
        os.environ.setdefault(name, str(threads))


def _flush() -> None:
    try:
        sys.stdout.flush()
        sys.stderr.flush()
    except Exception:
        # A stream is closed or None, or an object of the user.
        for stream in (sys.stdout, sys.stderr):
            with contextlib.suppress(Exception):
                stream.flush()


_KINDS = {"done": Kind.DONE, "failed": Kind.FAIL, "chunk": Kind.CHUNK}


class _Worker:
    """A worker process: its socket, its installed programs, its codec."""

    def __init__(self, sock: socket.socket) -> None:
        sock.setblocking(True)
        self._sock = sock
        self._reader = FrameReader()
        self._eventfd: EventFdReader | None = None
        self._copy = False
        self._send_lock = threading.RLock()
        self._buffers = WorkerBuffers()
        self._opened = OpenIterators()
        self._codec = self._new_codec()
        self.runner = WorkRunner(self._codec, self._opened, send=self._send_result)
        self._loop = PrivateLoop()
        self._writer = FrameWriter(self._buffers)
        self._sent_definitions = 0
        self._programs: dict[int, StepChain | TransferError] = {}
        self._retry_tracker = RetryTracker(portable=self._portable, worker=os.getpid, announce=self._announce)
        self._handlers: dict[Kind, Callable[[Frame], None]] = {
            Kind.DEFINE: lambda frame: self._define(frame.segments[0]),
            Kind.INSTALL: self._install,
            Kind.FORGET: self._forget,
            Kind.RESET: self._reset,
            Kind.BUFFERS: lambda frame: self._buffers.receive(frame, self._reader.mappings.frame_descriptors),
            Kind.BATCH: self._run,
            Kind.GENERATE: self._run,
        }

    def serve(self) -> None:
        """Handle frames until STOP; raises `EOFError` when the coordinator is gone."""
        self._send(Frame(Kind.READY))
        reader = self._reader
        while True:
            frames = self._read(reader)
            while frames:
                frame = frames.popleft()
                if frame.kind is Kind.STOP:
                    return
                self._handlers[frame.kind](frame)
                self._buffers.reclaim()
                # It may hold the last view of its shared memory.
                del frame
                # After the result: a free block is overwritten, and the item may be needed for another attempt before.
                if (release := release_frame(reader)) is not None:
                    self._send(release)

    def _read(self, reader: FrameReader) -> deque[Frame]:
        """Return the next frames; wait for them at the eventfd once there is one."""
        while True:
            try:
                frames = deque(reader.read(self._sock))
            except BlockingIOError:
                assert self._eventfd is not None
                self._eventfd.sleep()
                continue
            if frames and frames[0].kind is Kind.EVENTFD:
                # It is the first of all frames.
                frames.popleft()
                self._eventfd = EventFdReader(reader.mappings.descriptors.popleft(), self._sock)
                reader.flags = int(socket.MSG_DONTWAIT)
            return frames

    def disown(self) -> None:
        """Take no other item and send nothing, in a copy of the worker that a task has forked (see `fork`)."""
        self._copy = True
        self._sock.close()
        self.runner.stop()

    def send_log(self, record: bytes) -> None:
        """Send a log record or a warning, from any thread."""
        self._send(Frame(Kind.LOG, segments=[record]))

    def _define(self, body: Segment) -> None:
        # An error is raised when an item needs the definition, with the index of the item.
        with contextlib.suppress(Exception):
            self._codec.add_definition(body)
        self._sent_definitions = len(self._codec.definitions)

    def _install(self, frame: Frame) -> None:
        try:
            buffers = load_shared_buffers(self._codec, frame.segments, self._reader.mappings.frame_descriptors)
            steps = unpack_steps(self._codec, frame.segments[0], buffers)
            self._programs[frame.seq] = StepChain(steps, self._loop, self._announce, self._retry_tracker)
        except TransferError as error:
            self._programs[frame.seq] = error
        except BaseException as error:
            self._programs[frame.seq] = TransferError(f"a task cannot be loaded in a worker: {error!r}")

    def _reset(self, frame: Frame) -> None:
        self._opened.forget()
        self._programs.clear()
        self._sent_definitions = 0
        # The coordinator has a new arena for the next run, and the reader has forgotten the old blocks.
        self._buffers.close()
        self._codec = self.runner.codec = self._new_codec()

    def _new_codec(self) -> Codec:
        return Codec(f"w{os.getpid()}-{os.urandom(4).hex()}", self._buffers, passes_on=False)

    def _forget(self, frame: Frame) -> None:
        self._opened.forget(frame.seq)
        self._programs.pop(frame.seq, None)

    def _send(self, frame: Frame) -> None:
        if self._copy:
            return
        # Threads of a task may log while a result is sent.
        with self._send_lock:
            # Definitions go first: the items of this frame may need them.
            definitions = self._codec.definitions
            if self._sent_definitions < len(definitions):
                for body in definitions[self._sent_definitions :]:
                    self._writer.push(Frame(Kind.DEFINE, segments=[body]))
                self._sent_definitions = len(definitions)
            if (request := self._buffers.request()) is not None:
                self._writer.push(request)
            self._writer.push(frame)
            self._writer.flush(self._sock)

    def _run(self, frame: Frame) -> None:
        """Run a work item and send its result."""
        chain, segments, context = self._programs[frame.number], frame.segments, None
        kind: WorkKind = "batch"
        if frame.kind is Kind.GENERATE:
            kind = "stream" if frame.step == 1 else "generate"
        elif frame.step == 1:
            segments, context = segments[:-1], pickle.loads(segments[-1])
        if isinstance(chain, StepChain):
            work_item = WorkItem(frame.seq, frame.number, kind, segments, 1, frame.at, False, False, None, context)
            work_result = self.runner.run(work_item, chain)
            if self._copy:
                end_copy(work_result.error)
            _flush()
        else:
            work_result = WorkResult(frame.seq, "failed", error=chain)
        self._send_result(work_result)

    def _send_result(self, work_result: WorkResult) -> None:
        """Send a work result, or a chunk of a generator's items."""
        if work_result.item_failures:
            failures = pickle.dumps(work_result.item_failures)
            self._send(Frame(Kind.ITEM_FAILURES, work_result.seq, segments=[failures]))
        segments, error, reading = work_result.payload, work_result.error, work_result.reading
        if error is not None:
            segments = [*segments, pack_error(self._codec, error)]
        if reading is not None:
            segments = [*segments, pack_reading(reading)]
        _, kind, completed, step, seconds, *_ = work_result
        self._send(Frame(_KINDS[kind], work_result.seq, completed, int(reading is not None), step, seconds, segments))

    def _announce(self, step: int, seconds: float) -> None:
        """Tell the coordinator that a call with a time limit begins, or with step -1 that it is over."""
        position, attempt = self.runner.position(), self._retry_tracker.attempt
        self._send(Frame(Kind.START, at=position, number=attempt, step=step, seconds=seconds))

    def _portable(self, failed: Failed[Any]) -> Failed[Any]:
        # Each run has a codec of its own.
        return portable(self._codec)(failed)
