"""A worker process as the coordinator sees it: how it is started, its sockets and its work items.

    coordinator                                   worker
    FrameWriter -> non-blocking socket  ------>   blocking socket -> worker loop
    FrameReader <- non-blocking socket  <------   results
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
from typing import TYPE_CHECKING, Literal, TypeAlias

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
from daglite.runtime.transport.log_forwarding import log_settings
from daglite.runtime.transport.result_buffers import ResultBufferPool
from daglite.runtime.transport.shared_memory import Arena

if TYPE_CHECKING:
    import daglite.runtime.engines.processes.start as start
    from daglite.runtime.engines.processes.fork import ForkedProcess
else:
    # multiprocess takes longer to import than a forked worker to start and end.
    start = lazy("daglite.runtime.engines.processes.start")


# Its `pid`, and its `sentinel`, which is readable once it has ended.
ChildProcess: TypeAlias = "ForkedProcess | start.StartedProcess"
_StartMethod: TypeAlias = Literal["fork", "forkserver", "spawn"]

# One start at a time in this process: a worker forked by another thread would inherit the ends meant for this one.
_START_LOCK = threading.RLock()

# From the end of a worker's socket to the end of its process, in seconds at most.
_END_DELAY = 0.2

# Descriptors that a start opens at most: pipes, sockets of the fork server, a program's streams.
_START_DESCRIPTORS = 16

# The coordinator's ends of all runs of this process. Every forked child, also one that the user's code forks, closes
# its copies at once: otherwise a worker would never see them close.
_OUR_ENDS: weakref.WeakSet[socket.socket | EventFd] = weakref.WeakSet()


def _close_inherited_ends() -> None:
    for end in list(_OUR_ENDS):
        end.close()


os.register_at_fork(after_in_child=_close_inherited_ends)


def usable_processors() -> int:
    """Return how many processors this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def choose_method(asked: StartMethod) -> _StartMethod:
    """Return the start method to use; for "auto" fork only while the operating system counts one thread.

    A forked child keeps every lock that another thread held, for ever, so with threads it is the fork server.
    """
    if asked != "auto":
        return asked
    if not hasattr(os, "fork"):
        return "spawn"
    try:
        threads = len(os.listdir("/proc/self/task"))
    except OSError:
        threads = threading.active_count()
    return "fork" if threads == 1 else "forkserver"


class WorkerProcess:
    """A worker process and the work items that it has."""

    def __init__(
        self,
        process: ChildProcess,
        sock: socket.socket,
        guard: socket.socket,
        event_fd: EventFd | None,
        items_left: int | None = None,
    ) -> None:
        """`items_left`: how many items it may take (None: any number)."""
        self.process = process
        self.sock = sock
        self.guard = guard
        self.event_fd = event_fd
        self.items_left = items_left
        self.pid = process.pid
        # Blocks for its large results.
        self.result_buffers = ResultBufferPool()
        self.reader = FrameReader(self.result_buffers)
        self.writer = FrameWriter()
        if event_fd is not None:
            self.writer.push(Frame(Kind.EVENTFD), [event_fd.fd])
        # Work items without a result, oldest first: only the oldest can have started. And how many more it may have.
        self.work_items: deque[WorkItem] = deque()
        self.credits = CREDITS
        # Programs, and the number of definitions, that it has been sent.
        self.installed: set[int] = set()
        self._definitions = 0
        # Whether it has said that it is up; whether its socket is watched for room to write.
        self.ready = False
        self.write_pending = False
        # The last call that it announced: its position in the batch, its step and its attempt.
        self.position = 0
        self.step = -1
        self.attempt = 1
        # Items of its current batch that failed without ending the run.
        self.item_failures: Sequence[ItemFailure] = ()

    def assign(self, work_item: WorkItem) -> None:
        """Add a work item."""
        self.work_items.append(work_item)
        if self.items_left is not None:
            self.items_left -= work_item.item_count
        self._count_credits()

    def complete(self) -> WorkItem:
        """Remove and return the oldest work item."""
        work_item = self.work_items.popleft()
        self._count_credits()
        return work_item

    def _count_credits(self) -> None:
        work_items = self.work_items
        full = self.items_left == 0 or (work_items and work_items[-1].exclusive)
        self.credits = 0 if full else max(0, CREDITS - len(work_items))

    def push_definitions(self, definitions: Sequence[bytes]) -> None:
        """Queue the definitions that it has not been sent yet: the next frame may need them."""
        if self._definitions < len(definitions):
            for body in definitions[self._definitions :]:
                self.writer.push(Frame(Kind.DEFINE, segments=[body]))
            self._definitions = len(definitions)

    def push_buffers(self) -> None:
        """Queue blocks for large results, if it needs any."""
        if (offer := self.result_buffers.grant()) is not None:
            self.writer.push(*offer)

    def reset(self, arena: Arena | None) -> None:
        """Make it drop the last run; `arena` holds the large items of the next one."""
        self.result_buffers.close()
        self.writer.arena = arena
        self.writer.push(Frame(Kind.RESET))
        self.installed.clear()
        self._definitions = 0

    def kill(self) -> None:
        """Send SIGKILL; harmless when it has ended."""
        with contextlib.suppress(OSError, ValueError):
            self.process.kill()

    def has_ended(self) -> bool:
        """Return whether the process has ended. Its socket may close a moment earlier, so wait a moment for it."""
        until = time.monotonic() + _END_DELAY
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
        """Wait for its end and close what belongs to it; return the exit code, negative for a signal.

        None when the program has waited for it already: it ignores SIGCHLD, or waits for all of its children.
        """
        self.process.join()
        exitcode = self.process.exitcode
        for resource in (self.process, self.sock, self.guard, self.event_fd, self.result_buffers):
            if resource is not None:
                resource.close()
        return exitcode


def start_worker(asked: StartMethod, workers: int, items_left: int | None = None) -> WorkerProcess:
    """Start one of `workers` processes, which may take `items_left` items (None: any number); do not wait for it.

    Raises `ExecutionError` when this Python cannot start one this way.
    """
    method = choose_method(asked)
    try:
        return _start(method, workers, items_left)
    except RuntimeError as error:
        # Python 3.12 and later refuse to fork in exit handlers, and there is no way to ask before.
        if method != "fork" or "shutdown" not in str(error):
            raise
        if asked != "auto":
            raise ExecutionError(
                "this Python does not fork while the interpreter ends; use `start_method` 'auto' or 'forkserver'"
            ) from error
        return _start("forkserver", workers, items_left)


def _start(method: _StartMethod, workers: int, items_left: int | None) -> WorkerProcess:
    if method != "fork":
        start.prepare(method)
    with _START_LOCK, contextlib.ExitStack() as theirs, contextlib.ExitStack() as ours:

        def connect() -> tuple[socket.socket, socket.socket]:
            our_end, their_end = socket.socketpair()
            _OUR_ENDS.add(our_end)
            return ours.enter_context(our_end), theirs.enter_context(their_end)

        sock, their_sock = connect()
        guard, their_guard = connect()
        event_fd = EventFd.create()
        if event_fd is not None:
            ours.callback(event_fd.close)
            _OUR_ENDS.add(event_fd)
        _check_descriptors(sock)
        sock.setblocking(False)
        arguments = their_sock, their_guard, max(1, usable_processors() // workers), log_settings()
        with interrupts_blocked():
            process: ChildProcess
            if method == "fork":
                process = fork(partial(worker_main, *arguments))
            else:
                process = start.start(method, worker_main, arguments)
            ours.callback(_discard, process)
        worker = WorkerProcess(process, sock, guard, event_fd, items_left)
        # A Ctrl-C that was blocked during the start has been raised by now, and has ended what was started.
        ours.pop_all()
        return worker


def _discard(process: ChildProcess) -> None:
    """End a process that has not become a worker."""
    process.kill()
    process.join()
    process.close()


def _check_descriptors(end: socket.socket) -> None:
    """Raise `OSError` now when a start would run out of file descriptors.

    If that happened during the start, multiprocess would leave some of them open, and its fork server would end with a
    traceback.
    """
    spare: list[int] = []
    try:
        while len(spare) < _START_DESCRIPTORS:
            spare.append(os.dup(end.fileno()))
    finally:
        for number in spare:
            os.close(number)


@contextlib.contextmanager
def interrupts_blocked() -> Iterator[None]:
    """Block SIGINT in this thread; a Ctrl-C is raised at the end of the block.

    A child that is started in the block inherits this, so it cannot be interrupted before it is ready; and a worker is
    known to its pool, or reaped, before the interrupt is raised.
    """
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
