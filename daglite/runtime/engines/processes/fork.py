"""Forks worker processes, and ends copies of a worker that a task forks. Needs no library.

A copy of a worker runs the rest of the task's function, but must not send results: two processes that write to one
socket would mix their frames, and an item would have two results. So a copy closes the socket at once, its log records
go to its own standard error, and it ends when the task's function returns (`end_copy`).
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
    """End this copy as a script ends: silently, with the code of a `SystemExit`, or with a traceback."""
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
    # Not `sys.exit`: the coordinator's open generators and `atexit` handlers must not run here.
    os._exit(code & 0xFF)


class ForkedProcess:
    """A forked child. `sentinel` is a file descriptor that is readable once the child has ended."""

    def __init__(self, pid: int, sentinel: int) -> None:
        self.pid = pid
        self.sentinel = sentinel
        self._exitcode: int | None = None
        self._closed = False

    @property
    def exitcode(self) -> int | None:
        """The exit code, negative for a signal; None while it runs, or when the program has waited for it itself."""
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
        """Close the sentinel."""
        if not self._closed:
            self._closed = True
            os.close(self.sentinel)

    def _wait(self, flags: int) -> None:
        if self._exitcode is None and not self._closed:
            # Where the program ignores SIGCHLD, or waits for all of its children, there is no such child any more.
            with contextlib.suppress(ChildProcessError):
                pid, status = os.waitpid(self.pid, flags)
                if pid == self.pid:
                    self._exitcode = os.waitstatus_to_exitcode(status)


def fork(target: Callable[[], NoReturn]) -> ForkedProcess:
    """Run `target` in a forked child, with an empty standard input."""
    for stream in (sys.stdout, sys.stderr):
        # The child would print what is in their buffers again.
        with contextlib.suppress(Exception):
            stream.flush()
    # Without pidfds, the end of a pipe that only the child holds shows its end. But a process that the child starts may
    # hold it too.
    ours, theirs = (-1, -1) if _HAS_PIDFD else os.pipe()
    pid = os.fork()
    if pid == 0:
        _run_child(target, ours)
    if _HAS_PIDFD:
        return ForkedProcess(pid, _pidfd(pid))
    os.close(theirs)
    return ForkedProcess(pid, ours)


def _run_child(target: Callable[[], NoReturn], unused: int) -> NoReturn:
    try:
        if unused >= 0:
            os.close(unused)
        _empty_stdin()
        target()
    finally:
        os._exit(1)


def _empty_stdin() -> None:
    """Read from /dev/null: two processes that read from one terminal or pipe would each get a part of it."""
    with contextlib.suppress(OSError, ValueError, AttributeError):
        sys.stdin.close()
    with contextlib.suppress(OSError):
        # Also where `sys.stdin` is None or another object: child processes of tasks read from descriptor 0.
        empty = os.open(os.devnull, os.O_RDONLY)
        if empty != 0:
            os.dup2(empty, 0)
            os.close(empty)
        sys.stdin = open(0, encoding="utf-8", closefd=False)  # noqa: SIM115


def _pidfd(pid: int) -> int:
    try:
        return os.pidfd_open(pid)
    except ProcessLookupError:
        # It has ended, and the system has reaped it: a pipe without a writer is readable too.
        ours, theirs = os.pipe()
        os.close(theirs)
        return ours


def _has_pidfd() -> bool:
    """Return whether there are pidfds: Linux has them since 5.3, some sandboxes refuse them."""
    try:
        os.close(os.pidfd_open(os.getpid()))
    except (AttributeError, OSError):
        return False
    return True


_HAS_PIDFD = _has_pidfd()
