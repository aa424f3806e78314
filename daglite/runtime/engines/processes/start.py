"""A child started as a new Python, or by the fork server. The only file that imports multiprocess."""

from __future__ import annotations

import contextlib
import os
import signal
import threading
import time
from collections.abc import Callable
from typing import Any, Literal, cast

import multiprocess
from multiprocess import forkserver, resource_tracker, spawn
from multiprocess.process import BaseProcess

from daglite.exceptions import ExecutionError

_NAME = "daglite-worker"
# The exit code of a process whose code nobody knows.
_UNKNOWN = 255
# How often a start is tried, and seconds between the tries.
_TRIES = 10
_PAUSE = 0.01


class StartedProcess:
    """A process of multiprocess. `sentinel` is a descriptor that becomes readable when it has ended."""

    def __init__(self, process: BaseProcess) -> None:
        assert process.pid is not None
        self.pid = process.pid
        self.sentinel = process.sentinel
        self._process = process

    @property
    def exitcode(self) -> int | None:
        """Its exit code, negative for a signal; None while it runs, or when somebody else has waited for it."""
        return self._process.exitcode

    def kill(self) -> None:
        """Send SIGKILL; harmless when the process has ended."""
        self._process.kill()

    def join(self) -> None:
        """Wait for its end."""
        self._process.join()

    def close(self) -> None:
        """Give its descriptors back."""
        if self._process.exitcode is None:
            # For multiprocess it would still run, for ever. It has a public name for this nowhere.
            cast("Any", self._process)._popen.returncode = _UNKNOWN
        self._process.close()


def prepare(method: Literal["forkserver", "spawn"]) -> None:
    """Start the servants that a start by this method needs."""
    # It starts a process of its own, and unblocks SIGINT when it has: so it goes first.
    resource_tracker.ensure_running()
    if method == "forkserver":
        multiprocess.get_context(method).set_forkserver_preload(["daglite.runtime.engines.processes.worker"])


def start(
    method: Literal["forkserver", "spawn"], target: Callable[..., object], arguments: tuple[object, ...]
) -> StartedProcess:
    """Run `target(*arguments)` in a new process; raises `ExecutionError` when it ends each time before it is up."""
    reason = ""
    for _ in range(_TRIES):
        process = multiprocess.get_context(method).Process(target=target, args=arguments, name=_NAME, daemon=True)
        try:
            process.start()
        except (ConnectionError, EOFError) as error:
            # The child ended before it had been told what it is for, or the fork server did: try another.
            reason = f"{type(error).__name__}: {error}"
            _reap_child_of(error)
            time.sleep(_PAUSE)
            continue
        # When the interpreter ends, multiprocess ends its children and waits for them, while the run of a daemon
        # thread may replace them: it would wait for the new ones. The pool sees to ours.
        vars(multiprocess.process)["_children"].discard(process)
        return StartedProcess(process)
    raise ExecutionError(
        f"a worker could not be started by '{method}' in {_TRIES} tries (the last: {reason}); "
        "is there enough memory, and can workers start here?"
    )


def _reap_child_of(error: BaseException) -> None:
    """Wait for the child of a start that failed half-way: multiprocess has forgotten it."""
    trace = error.__traceback__
    while trace is not None:
        launching = trace.tb_frame.f_locals.get("self")
        pid = getattr(launching, "pid", None)
        if type(launching).__name__ == "Popen" and isinstance(pid, int):
            with contextlib.suppress(ProcessLookupError, ChildProcessError):
                os.kill(pid, signal.SIGKILL)
                os.waitpid(pid, 0)
            return
        trace = trace.tb_next


_preparation_data = spawn.get_preparation_data


def _without_main(name: str) -> dict[str, Any]:
    """What a started process does first, without importing `__main__` again: everything of it goes by value instead.

    So scripts need no `if __name__ == "__main__"` guard, and stdin and `python -c` work.
    """
    data = _preparation_data(name)
    if name == _NAME:
        data.pop("init_main_from_name", None)
        data.pop("init_main_from_path", None)
    return data


spawn.get_preparation_data = _without_main


def _forget_server() -> None:
    """In a child that somebody has forked: the fork server is its parent's, and it needs one of its own.

    multiprocess would wait for the process of its parent, and fail.
    """
    server = forkserver._forkserver
    if server._forkserver_alive_fd is not None:
        with contextlib.suppress(OSError):
            os.close(server._forkserver_alive_fd)
    server._forkserver_alive_fd = server._forkserver_pid = server._forkserver_address = None
    # Another thread may have held it.
    server._lock = threading.Lock()


os.register_at_fork(after_in_child=_forget_server)
