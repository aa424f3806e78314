"""One worker process, seen from the coordinator: how it is started, and its two sockets.

    coordinator                                   worker
    FrameWriter -> non-blocking socket  ------>   blocking socket -> worker loop
    FrameReader <- non-blocking socket  <------   replies
    guard socket (nothing is ever sent) ------    SIGIO when it closes

Each worker holds only its own two ends, so that an end that closes is seen on the other side.
"""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import threading
import time
import weakref
from collections import deque
from collections.abc import Iterator, Sequence
from functools import partial
from typing import TYPE_CHECKING, Literal, Protocol

from daglite.exceptions import ExecutionError
from daglite.lazy import lazy
from daglite.options import StartMethod
from daglite.runtime.engines.base import CREDITS
from daglite.runtime.engines.processes.eventfd import EventFd
from daglite.runtime.engines.processes.fork import fork
from daglite.runtime.engines.processes.worker import worker_main
from daglite.runtime.kernel.retry import ItemFailure
from daglite.runtime.kernel.work import WorkItem
from daglite.runtime.transport.frames import Frame, FrameReader, FrameWriter, Kind
from daglite.runtime.transport.log_forwarding import report_settings
from daglite.runtime.transport.result_buffers import ResultBufferPool
from daglite.runtime.transport.shared_memory import Arena

if TYPE_CHECKING:
    import daglite.runtime.engines.processes.start as started
else:
    # multiprocess takes longer to import than a forked worker to start and end.
    started = lazy("daglite.runtime.engines.processes.start")


# One start at a time in this process: a worker forked by another thread would inherit the ends meant for this one.
_STARTING = threading.RLock()

# Between the end of a process's socket and its own, in seconds.
_LAST_BREATH = 0.2

# What is opened at most while a process is started: pipes, sockets of the fork server, a program's streams.
_DESCRIPTORS_OF_A_START = 16

# The coordinator's ends of all runs of this process. A forked child, whoever forks it, closes its copies first
# thing: otherwise nobody would ever see these ends close.
_OUR_ENDS: weakref.WeakSet[socket.socket | EventFd] = weakref.WeakSet()


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


class ChildProcess(Protocol):
    """A process that was started here; see `forked` and `started`."""

    pid: int
    sentinel: int

    @property
    def exitcode(self) -> int | None: ...
    def kill(self) -> None: ...
    def join(self) -> None: ...
    def close(self) -> None: ...


class WorkerProcess:
    """A worker and what it was given."""

    def __init__(
        self,
        process: ChildProcess,
        sock: socket.socket,
        guard: socket.socket,
        bell: EventFd | None,
        left: int | None = None,
    ) -> None:
        """`left`: how many items it may take (None: any number)."""
        self.process = process
        self.sock = sock
        self.guard = guard
        self.bell = bell
        self.pid = process.pid
        # Has blocks for its large results.
        self.lender = ResultBufferPool()
        self.reader = FrameReader(self.lender)
        self.writer = FrameWriter()
        if bell is not None:
            self.writer.push(Frame(Kind.BELL), [bell.fd])
        # What it was given and has not answered, oldest first: only the oldest can have begun. And how many more chunks
        # it may be given.
        self.work_items: deque[WorkItem] = deque()
        self.places = CREDITS
        self.installed: set[int] = set()
        # Whether it has said that it is up.
        self.ready = False
        # Whether its socket is watched for room to write.
        self.waits = False
        # How many definitions it has been told; how many items it may still take.
        self.told = 0
        self.left = left
        # Where in its batch the call is that it told of, at which step, and at which attempt.
        self.position = 0
        self.step = -1
        self.attempt = 1
        # Items of the batch it answers next that failed without ending the run.
        self.item_failures: Sequence[ItemFailure] = ()

    @property
    def busy(self) -> bool:
        """Whether it has anything to answer."""
        return bool(self.work_items)

    def give(self, work_item: WorkItem) -> None:
        """A chunk is on its way."""
        self.work_items.append(work_item)
        if self.left is not None:
            self.left -= work_item.items
        self._count_places()

    def answered(self) -> WorkItem:
        """The oldest chunk, which it has no more."""
        work_item = self.work_items.popleft()
        self._count_places()
        return work_item

    def lend(self) -> None:
        """Blocks for large results go with what is sent next."""
        if (offer := self.lender.offer()) is not None:
            self.writer.push(*offer)

    def reset(self, arena: Arena | None) -> None:
        """Another run begins, whose large items are in this arena; of the last one nothing is known any more."""
        self.lender.close()
        self.writer.arena = arena
        self.writer.push(Frame(Kind.RESET))
        self.installed.clear()
        self.told = 0

    def _count_places(self) -> None:
        work_items = self.work_items
        self.places = (
            0 if self.left == 0 or (work_items and work_items[-1].exclusive) else max(0, CREDITS - len(work_items))
        )

    def kill(self) -> None:
        """End it at once; harmless when it has ended."""
        with contextlib.suppress(OSError, ValueError):
            self.process.kill()

    def ended(self) -> bool:
        """Whether it has ended; its socket may close a moment before."""
        until = time.monotonic() + _LAST_BREATH
        while self.process.exitcode is None:
            try:
                os.kill(self.pid, 0)
            except ProcessLookupError:
                break
            if time.monotonic() > until:
                return False
            time.sleep(0.001)
        return True

    def reap(self) -> int | None:
        """Wait for its end and close what belongs to it; the exit code, negative for a signal.

        None when somebody else waited for it first: a program that ignores SIGCHLD, or that waits for all its children.
        """
        self.process.join()
        exitcode = self.process.exitcode
        self.process.close()
        self.sock.close()
        self.guard.close()
        if self.bell is not None:
            self.bell.close()
        self.lender.close()
        return exitcode


def start_worker(asked: StartMethod, workers: int, left: int | None = None) -> WorkerProcess:
    """Start one of `workers` processes, which may take `left` items (None: any number); it is not waited for."""
    method = choose_method(asked)
    try:
        return _started(method, workers, left)
    except RuntimeError as error:
        # Python 3.12 and later refuse it in exit handlers, and there is no way to ask before.
        if method != "fork" or "shutdown" not in str(error):
            raise
        if asked != "auto":
            raise ExecutionError(
                "this Python does not fork while the interpreter ends; use `start_method` 'auto' or 'forkserver'"
            ) from error
        return _started("forkserver", workers, left)


def _started(method: Literal["fork", "forkserver", "spawn"], workers: int, left: int | None) -> WorkerProcess:
    if method != "fork":
        started.prepare(method)
    with _STARTING, contextlib.ExitStack() as theirs, contextlib.ExitStack() as ours:
        sock, their_sock = socket.socketpair()
        ours.enter_context(sock)
        theirs.enter_context(their_sock)
        guard, their_guard = socket.socketpair()
        ours.enter_context(guard)
        theirs.enter_context(their_guard)
        bell = EventFd.hung()
        if bell is not None:
            ours.callback(bell.close)
            _OUR_ENDS.add(bell)
        _OUR_ENDS.update((sock, guard))
        _check_descriptors(sock)
        sock.setblocking(False)
        threads = max(1, usable_processors() // workers)
        arguments = their_sock, their_guard, threads, report_settings()
        with interrupts_blocked():
            if method == "fork":
                process: ChildProcess = fork(partial(worker_main, *arguments))
            else:
                process = started.start(method, worker_main, arguments)
            ours.callback(_discard, process)
        worker = WorkerProcess(process, sock, guard, bell, left)
        # A Ctrl-C that was held back during the start has come by now, and has ended what was started.
        ours.pop_all()
        return worker


def _discard(process: ChildProcess) -> None:
    """End a process that nobody will know."""
    process.kill()
    process.join()
    process.close()


def _check_descriptors(end: socket.socket) -> None:
    """Raise `OSError` now when a start would run out of file descriptors.

    Half-way through, multiprocess would leave some of them open, and its fork server would end with a traceback.
    """
    spare: list[int] = []
    try:
        while len(spare) < _DESCRIPTORS_OF_A_START:
            spare.append(os.dup(end.fileno()))
    finally:
        for number in spare:
            os.close(number)


@contextlib.contextmanager
def interrupts_blocked() -> Iterator[None]:
    """Hold a Ctrl-C back.

    A child started meanwhile inherits this, and cannot be interrupted before it is ready; and a worker is known to
    its pool, or reaped, before the interrupt goes its way.
    """
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
