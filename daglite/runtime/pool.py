"""Worker processes: started, fed, listened to, replaced when they die, ended. The only file that imports multiprocess.

    coordinator                                   worker
    FrameWriter -> non-blocking socket  ------>   blocking socket -> worker loop
    FrameReader <- non-blocking socket  <------   replies
    guard socket (nothing is ever sent) ------    SIGIO when it closes

The coordinator never blocks on a socket: a worker that is sending while the coordinator is sending would otherwise
wait for it for ever. Each worker holds only its own two ends, so that an end that closes is seen on the other side.
"""

from __future__ import annotations

import contextlib
import os
import selectors
import signal
import socket
import sys
import threading
import types
import weakref
from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Literal, cast

import multiprocess
from multiprocess.process import BaseProcess

from daglite.exceptions import ExecutionError
from daglite.options import StartMethod
from daglite.runtime.executor import Chunk, Reply, ReplyKind
from daglite.runtime.frames import Frame, FrameReader, FrameWriter, Kind
from daglite.runtime.wire import Codec
from daglite.runtime.worker import worker_main

__all__ = ["ProcessSession", "choose_method", "usable_processors"]

_CREDITS = 2
_KINDS: dict[Kind, ReplyKind] = {Kind.DONE: "done", Kind.FAIL: "failed", Kind.PIECE: "piece"}

# One start at a time in this process: `__main__` is swapped meanwhile, and a worker forked by another thread would
# inherit the ends meant for the worker being started.
_STARTING = threading.RLock()

# The coordinator's ends of all runs of this process. A forked child, whoever forks it, closes its copies first
# thing: otherwise nobody would ever see these ends close.
_OUR_ENDS: weakref.WeakSet[socket.socket] = weakref.WeakSet()


def _close_inherited_ends() -> None:
    for end in list(_OUR_ENDS):
        end.close()


os.register_at_fork(after_in_child=_close_inherited_ends)


def usable_processors() -> int:
    """How many processors this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def choose_method(asked: StartMethod) -> Literal["fork", "forkserver", "spawn"]:
    """The start method: fork only while the operating system counts one thread.

    A forked child keeps every lock that another thread held, for ever, so with threads the fork server is used.
    """
    if asked != "auto":
        return asked
    if not hasattr(os, "fork"):
        return "spawn"
    return "fork" if _thread_count() == 1 else "forkserver"


def _thread_count() -> int:
    try:
        return len(os.listdir("/proc/self/task"))
    except OSError:
        return threading.active_count()


@dataclass(eq=False)
class _Worker:
    """What the coordinator knows of one worker."""

    process: BaseProcess
    sock: socket.socket
    guard: socket.socket
    reader: FrameReader = field(default_factory=FrameReader)
    writer: FrameWriter = field(default_factory=FrameWriter)
    # What it was given and has not answered, oldest first: only the oldest can have begun.
    seqs: deque[int] = field(default_factory=deque)
    installed: set[int] = field(default_factory=set)
    told: int = 0
    exclusive: bool = False

    @property
    def credits(self) -> int:
        return 0 if self.exclusive else _CREDITS - len(self.seqs)


class ProcessSession:
    """A pool of worker processes for one run; see `executor.Session`."""

    def __init__(self, workers: int, method: StartMethod, codec: Codec) -> None:
        self.workers = workers
        self._asked = method
        self._codec = codec
        self._programs: dict[int, bytes] = {}
        self._selector = selectors.DefaultSelector()
        self._pool: list[_Worker] = []
        self._lost: list[Reply] = []
        self._deaths = 0
        self._closed = False
        self._wake_in, self._wake_out = socket.socketpair()
        try:
            self._wake_in.setblocking(False)
            self._wake_out.setblocking(False)
            self._selector.register(self._wake_out, selectors.EVENT_READ, None)
            for _ in range(workers):
                self._start_worker()
        except BaseException:
            self.close()
            raise

    def install(self, program: int, body: bytes) -> None:
        self._programs[program] = body

    def forget(self, program: int) -> None:
        self._programs.pop(program, None)
        for worker in self._pool:
            if program in worker.installed:
                worker.installed.discard(program)
                worker.writer.push(Frame(Kind.FORGET, program))
                self._flush(worker)

    def free(self) -> int:
        return sum(worker.credits for worker in self._pool)

    def idle(self) -> bool:
        return any(not worker.seqs for worker in self._pool)

    def submit(self, chunk: Chunk) -> None:
        worker = min((w for w in self._pool if w.credits > 0), key=lambda w: len(w.seqs))
        worker.seqs.append(chunk.seq)
        worker.exclusive = chunk.exclusive
        if chunk.program not in worker.installed:
            self._define(worker)
            worker.installed.add(chunk.program)
            worker.writer.push(Frame(Kind.INSTALL, chunk.program, segments=[self._programs[chunk.program]]))
        self._define(worker)
        kind = Kind.BATCH if chunk.kind == "batch" else Kind.GENERATE
        streamed = int(chunk.kind == "stream")
        worker.writer.push(Frame(kind, chunk.seq, chunk.program, streamed, segments=chunk.segments))
        self._flush(worker)

    def ready(self, timeout: float | None) -> Sequence[Reply]:
        replies, self._lost = self._lost, []
        for key, events in self._selector.select(0 if replies else timeout):
            worker = cast("_Worker | None", key.data)
            if worker is None:
                self._drain_wake()
            elif worker not in self._pool:
                continue
            elif key.fileobj is worker.sock:
                if events & selectors.EVENT_WRITE:
                    self._flush(worker)
                if events & selectors.EVENT_READ and not self._receive(worker, replies):
                    self._bury(worker, replies)
            else:
                # The process ended; what it still managed to send counts.
                while self._receive(worker, replies, to_the_end=True):
                    pass
                self._bury(worker, replies)
        return replies

    def wake(self) -> None:
        with contextlib.suppress(BlockingIOError, OSError):
            self._wake_in.send(b"\0")

    def close(self) -> None:
        """Kill and reap every worker: whatever it still does, nobody waits for."""
        self._closed = True
        for worker in self._pool:
            with contextlib.suppress(OSError):
                worker.process.kill()
        for worker in self._pool:
            self._reap(worker)
        self._pool.clear()
        self._selector.close()
        self._wake_in.close()
        self._wake_out.close()

    def _drain_wake(self) -> None:
        with contextlib.suppress(BlockingIOError):
            while self._wake_out.recv(4096):
                pass

    def _define(self, worker: _Worker) -> None:
        for body in self._codec.definitions[worker.told :]:
            worker.writer.push(Frame(Kind.DEFINE, segments=[body]))
        worker.told = len(self._codec.definitions)

    def _flush(self, worker: _Worker) -> None:
        # A worker that is gone is noticed by its sentinel; here it must not disturb.
        with contextlib.suppress(OSError):
            worker.writer.flush(worker.sock)
        events = selectors.EVENT_READ | (selectors.EVENT_WRITE if worker.writer else 0)
        if self._selector.get_key(worker.sock).events != events:
            self._selector.modify(worker.sock, events, worker)

    def _receive(self, worker: _Worker, replies: list[Reply], *, to_the_end: bool = False) -> bool:
        """Read what is there. False at the end of the socket, or with `to_the_end` when nothing more is there."""
        try:
            frames = worker.reader.read(worker.sock)
        except BlockingIOError:
            return not to_the_end
        except (EOFError, OSError):
            return False
        for frame in frames:
            if frame.kind is Kind.DEFINE:
                self._codec.learn(bytes(frame.segments[0]))
                continue
            if frame.kind is not Kind.PIECE:
                worker.seqs.remove(frame.seq)
                worker.exclusive = False
            self._deaths = 0
            kind = _KINDS[frame.kind]
            replies.append(
                Reply(frame.seq, kind, frame.number, frame.step, frame.seconds, frame.segments, worker.process.pid)
            )
        return True

    def _bury(self, worker: _Worker, replies: list[Reply]) -> None:
        """A worker is dead: its chunks are lost, another takes its place."""
        self._pool.remove(worker)
        with contextlib.suppress(OSError):
            worker.process.kill()
        pid = worker.process.pid
        exitcode = self._reap(worker)
        for position, seq in enumerate(worker.seqs):
            replies.append(Reply(seq, "lost", worker=pid, started=position == 0, exitcode=exitcode))
        self._deaths += 1
        if self._deaths > max(10, 3 * self.workers):
            raise ExecutionError(
                f"{self._deaths} workers in a row ended without finishing an item (the last: exit code {exitcode}); "
                "is there enough memory, and can workers start here?"
            )
        self._start_worker()

    def _reap(self, worker: _Worker) -> int | None:
        for watched in (worker.sock, worker.process.sentinel):
            with contextlib.suppress(KeyError, ValueError):
                self._selector.unregister(watched)
        worker.process.join()
        exitcode = worker.process.exitcode
        worker.process.close()
        worker.sock.close()
        worker.guard.close()
        return exitcode

    def _start_worker(self) -> None:
        method = choose_method(self._asked)
        context = multiprocess.get_context(method)
        if method == "forkserver":
            context.set_forkserver_preload(["daglite.runtime.worker"])
        with _STARTING, contextlib.ExitStack() as theirs:
            sock, their_sock = socket.socketpair()
            guard, their_guard = socket.socketpair()
            for end in (their_sock, their_guard):
                theirs.enter_context(end)
            _OUR_ENDS.update((sock, guard))
            sock.setblocking(False)
            process = context.Process(
                target=worker_main, args=(their_sock, their_guard), name="daglite-worker", daemon=True
            )
            with _interrupts_blocked(), _without_main(method):
                process.start()
        worker = _Worker(process, sock, guard)
        self._pool.append(worker)
        self._selector.register(sock, selectors.EVENT_READ, worker)
        self._selector.register(process.sentinel, selectors.EVENT_READ, worker)


@contextlib.contextmanager
def _interrupts_blocked() -> Iterator[None]:
    """Start with SIGINT blocked, so that the child inherits it and cannot be interrupted before it is ready."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


@contextlib.contextmanager
def _without_main(method: str) -> Iterator[None]:
    """Hide `__main__` from a child that would import it again: everything of it goes by value instead.

    So scripts need no `if __name__ == "__main__"` guard, and stdin and `python -c` work.
    """
    if method == "fork":
        yield
        return
    main = sys.modules["__main__"]
    sys.modules["__main__"] = types.ModuleType("__main__")
    try:
        yield
    finally:
        sys.modules["__main__"] = main
