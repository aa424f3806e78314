"""A child forked from this process, which has all that this process has. No library is needed for it.

What becomes of a copy of a worker that a task forks: it does what the task wants of it, and never answers for it.

Two processes that write into one socket would mix their frames, and an item would have two results. So a copy gives up
the socket at once, its records go to its own standard error, and when the task's function returns in it, it ends there.
"""

from __future__ import annotations

import contextlib
import os
import signal
import sys
import traceback
from collections.abc import Callable
from typing import NoReturn


def end_copy(error: BaseException | None) -> NoReturn:
    """End this copy as a script would end: silently, with the code of a `SystemExit`, or with a traceback."""
    code = 0
    if isinstance(error, SystemExit) and isinstance(error.code, int | None):
        code = error.code or 0
    elif error is not None:
        code = 1
        with contextlib.suppress(Exception):
            traceback.print_exception(error)
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(Exception):
            stream.flush()
    # Not `sys.exit`, for the same reasons as in a worker.
    os._exit(code & 0xFF)


class ForkedProcess:
    """A forked child. `sentinel` is a descriptor that becomes readable when the child has ended."""

    def __init__(self, pid: int, sentinel: int) -> None:
        self.pid = pid
        self.sentinel = sentinel
        self._exitcode: int | None = None
        self._closed = False

    @property
    def exitcode(self) -> int | None:
        """Its exit code, negative for a signal; None while it runs, or when somebody else has waited for it."""
        self._wait(os.WNOHANG)
        return self._exitcode

    def kill(self) -> None:
        """Send SIGKILL; harmless when the child has ended."""
        if self._exitcode is None and not self._closed:
            with contextlib.suppress(ProcessLookupError):
                os.kill(self.pid, signal.SIGKILL)

    def join(self) -> None:
        """Wait for its end."""
        self._wait(0)

    def close(self) -> None:
        """Give the descriptor back."""
        if not self._closed:
            self._closed = True
            os.close(self.sentinel)

    def _wait(self, flags: int) -> None:
        if self._exitcode is None and not self._closed:
            # When the user ignores SIGCHLD, or waits for whatever child ends, there is nobody left to wait for.
            with contextlib.suppress(ChildProcessError):
                pid, status = os.waitpid(self.pid, flags)
                if pid == self.pid:
                    self._exitcode = os.waitstatus_to_exitcode(status)


def fork(target: Callable[[], NoReturn]) -> ForkedProcess:
    """Run `target` in a forked child, with an empty standard input."""
    for stream in (sys.stdout, sys.stderr):
        # What is in their buffers would be printed twice.
        with contextlib.suppress(Exception):
            stream.flush()
    # A pipe whose other end only the child holds tells of its end as well, but a process that the child starts may hold
    # it too.
    ours, theirs = (-1, -1) if _PIDFD else os.pipe()
    pid = os.fork()
    if pid == 0:
        _be_child(target, ours)
    if not _PIDFD:
        os.close(theirs)
        return ForkedProcess(pid, ours)
    return ForkedProcess(pid, _pidfd(pid))


def _be_child(target: Callable[[], NoReturn], unused: int) -> NoReturn:
    try:
        if unused >= 0:
            os.close(unused)
        _empty_input()
        target()
    finally:
        os._exit(1)


def _empty_input() -> None:
    """Two processes that read from one terminal or pipe would each get a part of it."""
    with contextlib.suppress(OSError, ValueError, AttributeError):
        sys.stdin.close()
    with contextlib.suppress(OSError):
        # Also where `sys.stdin` is None, or somebody has put another object there: children of tasks read from 0.
        empty = os.open(os.devnull, os.O_RDONLY)
        if empty != 0:
            os.dup2(empty, 0)
            os.close(empty)
        sys.stdin = open(0, encoding="utf-8", closefd=False)  # noqa: SIM115


def _pidfd(pid: int) -> int:
    try:
        return os.pidfd_open(pid)
    except ProcessLookupError:
        # It has ended already, and nobody needs to wait for it: a pipe without a writer is readable too.
        ours, theirs = os.pipe()
        os.close(theirs)
        return ours


def _has_pidfd() -> bool:
    """Linux has them since 5.3; some sandboxes refuse them."""
    try:
        os.close(os.pidfd_open(os.getpid()))
    except (AttributeError, OSError):
        return False
    return True


_PIDFD = _has_pidfd()
