"""The loop inside a worker process: receive, run, reply; and die when the coordinator does.

Frames in:   DEFINE(body)  INSTALL(seq=program, body)  FORGET(seq=program)  BATCH(seq, number=program, cells)
             GENERATE(seq, number=program, step=1 when streamed)  STOP
Frames out:  DEFINE(body)  DONE(seq, number of items, seconds, cells)  FAIL(seq, number, step, seconds, cells + error)
             PIECE(seq, number, step=attempt, cells)
"""

from __future__ import annotations

import contextlib
import faulthandler
import fcntl
import os
import signal
import socket
import sys
import time
from collections.abc import Callable, Iterator
from typing import NoReturn

from daglite.exceptions import TransferError
from daglite.runtime.awaiting import PrivateLoop
from daglite.runtime.chain import Chain, open_items
from daglite.runtime.errors import pack_error
from daglite.runtime.frames import Frame, FrameReader, FrameWriter, Kind, Segment
from daglite.runtime.install import unpack_steps
from daglite.runtime.wire import SCALARS, Codec, Unloadable

__all__ = ["inside_worker", "worker_main"]

_PIECE_ITEMS = 256
_PIECE_BYTES = 256 * 1024
_PIECE_SECONDS = 0.05

_inside = False


def inside_worker() -> bool:
    """Whether this process is a worker of a run."""
    return _inside


def worker_main(sock: socket.socket, guard: socket.socket) -> NoReturn:
    """Serve one run until it stops or its coordinator is gone; never returns.

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
        _Worker(sock).serve()
    except (EOFError, ConnectionError, BrokenPipeError):
        pass
    except BaseException:  # a bug of ours must be seen, and must not run the coordinator's copied cleanup
        sys.excepthook(*sys.exc_info())
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


def _flush() -> None:
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(Exception):
            stream.flush()


class _Worker:
    """What a worker knows: its socket, the programs installed, its codec."""

    def __init__(self, sock: socket.socket) -> None:
        sock.setblocking(True)
        self._sock = sock
        self._writer = FrameWriter()
        self._loop = PrivateLoop()
        self._codec = Codec(f"w{os.getpid()}-{os.urandom(4).hex()}")
        self._told = 0
        self._programs: dict[int, Chain | TransferError] = {}
        self._answers: dict[Kind, Callable[[Frame], None]] = {
            Kind.DEFINE: lambda frame: self._learn(frame.segments[0]),
            Kind.INSTALL: self._install,
            Kind.FORGET: self._forget,
            Kind.BATCH: self._run_batch,
            Kind.GENERATE: self._generate,
        }

    def serve(self) -> None:
        reader = FrameReader()
        while True:
            for frame in reader.read(self._sock):
                if frame.kind is Kind.STOP:
                    return
                self._answers[frame.kind](frame)

    def _learn(self, body: Segment) -> None:
        # What cannot be loaded here shows when an item needs it, with the item's index.
        with contextlib.suppress(Exception):
            self._codec.learn(bytes(body))
        self._told = len(self._codec.definitions)

    def _install(self, frame: Frame) -> None:
        try:
            self._programs[frame.seq] = Chain(unpack_steps(self._codec, bytes(frame.segments[0])), self._loop)
        except TransferError as error:
            self._programs[frame.seq] = error
        except BaseException as error:
            self._programs[frame.seq] = TransferError(f"a task cannot be loaded in a worker: {error!r}")

    def _forget(self, frame: Frame) -> None:
        self._programs.pop(frame.seq, None)

    def _send(self, frame: Frame) -> None:
        # Definitions go first: the cells of this frame may need them.
        for body in self._codec.definitions[self._told :]:
            self._writer.push(Frame(Kind.DEFINE, segments=[body]))
        self._told = len(self._codec.definitions)
        self._writer.push(frame)
        self._writer.flush(self._sock)

    def _chain(self, frame: Frame) -> Chain | None:
        """The program of a chunk; when it could not be loaded, the failure is sent."""
        found = self._programs[frame.number]
        if isinstance(found, Chain):
            return found
        self._fail(frame.seq, -1, [], 0.0, found)
        return None

    def _run_batch(self, frame: Frame) -> None:
        chain = self._chain(frame)
        if chain is None:
            return
        started = time.perf_counter()
        cells: list[object] = []
        run = _BatchRun(chain, self._codec, cells)
        try:
            run.go(self._codec.unpack(frame.segments))
        except BaseException as error:
            # Also SystemExit and KeyboardInterrupt: a task's error ends the run, never the worker.
            seconds = time.perf_counter() - started
            _flush()
            self._fail(frame.seq, run.step, cells[: run.done * run.stride], seconds, error, run.done)
            return
        seconds = time.perf_counter() - started
        _flush()
        self._send(Frame(Kind.DONE, frame.seq, run.done, -1, seconds, self._codec.pack(cells)))

    def _fail(
        self, seq: int, step: int, cells: list[object], seconds: float, error: BaseException, count: int = 0
    ) -> None:
        segments = [*self._codec.pack(cells), pack_error(self._codec, error)]
        self._send(Frame(Kind.FAIL, seq, count, step, seconds, segments))

    def _generate(self, frame: Frame) -> None:
        chain = self._chain(frame)
        if chain is None:
            return
        step = chain.steps[0]
        streamed = frame.step == 1
        # With `.iter` the retries end with the first item; that is `open_items`' own business.
        attempts = 1 if streamed else step.function.retries + 1
        for attempt in range(attempts):
            pieces = _Pieces(self, frame.seq, attempt)
            try:
                pieces.send_all(open_items(step, self._loop, retry=streamed))
            except BaseException as error:
                if isinstance(error, Exception) and attempt + 1 < attempts:
                    continue
                _flush()
                self._fail(frame.seq, step.number, pieces.cells, 0.0, error, len(pieces.cells))
                return
            _flush()
            cells = pieces.cells
            self._send(Frame(Kind.DONE, frame.seq, len(cells), attempt, 0.0, self._codec.pack(cells)))
            return


class _BatchRun:
    """One pass over a batch: it knows how far it came when a task raises."""

    def __init__(self, chain: Chain, codec: Codec, cells: list[object]) -> None:
        self.stride = 1 + sum(step.tapped for step in chain.steps)
        self.step = -1
        self.done = 0
        self._chain = chain
        self._codec = codec
        self._cells = cells

    def go(self, items: list[object]) -> None:
        calls, capture, append = self._chain.calls, self._capture, self._cells.append
        value: object
        for value in items:
            if isinstance(value, Unloadable):
                self.step = calls[0][2]
                raise TransferError(f"the item cannot be loaded in a worker: {value.reason}")
            for call, tapped, self.step in calls:
                value = call(value)
                if tapped:
                    # Taken now: the next task may change the value it is given.
                    append(capture(value))
            append(value if type(value) in SCALARS else capture(value))
            self.done += 1

    def _capture(self, value: object) -> object:
        try:
            return self._codec.capture(value)
        except TransferError as error:
            raise TransferError(
                f"the result of task '{self._chain.name_of(self.step)}' cannot be sent back: {error}"
            ) from None


class _Pieces:
    """The items of a generator on their way to the coordinator: captured as they come, sent in pieces."""

    def __init__(self, worker: _Worker, seq: int, attempt: int) -> None:
        self.cells: list[object] = []
        self._worker, self._seq, self._attempt = worker, seq, attempt

    def send_all(self, items: Iterator[object]) -> None:
        """Drain the generator; what is left in `cells` at the end goes with the last frame."""
        codec = self._worker._codec
        nbytes, sent = 0, time.perf_counter()
        for item in items:
            cell = codec.capture(item)
            self.cells.append(cell)
            nbytes += codec.size(cell)
            now = time.perf_counter()
            if len(self.cells) >= _PIECE_ITEMS or nbytes >= _PIECE_BYTES or now - sent >= _PIECE_SECONDS:
                cells, self.cells = self.cells, []
                frame = Frame(Kind.PIECE, self._seq, len(cells), self._attempt, 0.0, codec.pack(cells))
                self._worker._send(frame)
                nbytes, sent = 0, now
