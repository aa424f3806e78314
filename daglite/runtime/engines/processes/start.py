"""Starts worker processes with a new interpreter, or by the fork server. The only file that imports multiprocess."""

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
# The exit code of a process whose code is not known.
_UNKNOWN = 255
# How many times a start is tried, and the seconds between the attempts.
_ATTEMPTS = 10
_PAUSE = 0.01


class StartedProcess:
    """A process of multiprocess. `sentinel` is a file descriptor that is readable once it has ended."""

    def __init__(self, process: BaseProcess) -> None:
        assert process.pid is not None
        self.pid = process.pid
        self.sentinel = process.sentinel
        self._process = process

    @property
    def exitcode(self) -> int | None:
        """The exit code, negative for a signal; None while it runs, or when the program has waited for it itself."""
        return self._process.exitcode

    def kill(self) -> None:
        """Send SIGKILL; harmless when the process has ended."""
        self._process.kill()

    def join(self) -> None:
        """Wait for its end."""
        self._process.join()

    def close(self) -> None:
        """Close its file descriptors."""
        if self._process.exitcode is None:
            # multiprocess would take it for a running process, and has no public name to change that.
            cast("Any", self._process)._popen.returncode = _UNKNOWN
        self._process.close()


def prepare(method: Literal["forkserver", "spawn"]) -> None:
    """Start the helper processes that this start method needs."""
    # First, as it starts a process and then unblocks SIGINT.
    resource_tracker.ensure_running()
    if method == "forkserver":
        multiprocess.get_context(method).set_forkserver_preload(["daglite.runtime.engines.processes.worker"])


def start(
    method: Literal["forkserver", "spawn"], target: Callable[..., object], arguments: tuple[object, ...]
) -> StartedProcess:
    """Run `target(*arguments)` in a new process; raise `ExecutionError` when each attempt ends before it is up."""
    reason = ""
    for _ in range(_ATTEMPTS):
        process = multiprocess.get_context(method).Process(target=target, args=arguments, name=_NAME, daemon=True)
        try:
            process.start()
        except (ConnectionError, EOFError) as error:
            # The child or the fork server ended before the child had received its arguments: try again.
            reason = f"{type(error).__name__}: {error}"
            _reap_child_of(error)
            time.sleep(_PAUSE)
            continue
        # When the interpreter ends, multiprocess ends its children and waits for them, while the run of a daemon
        # thread may replace them: it would wait for the new ones. The pool ends the workers itself.
        vars(multiprocess.process)["_children"].discard(process)
        return StartedProcess(process)
    raise ExecutionError(
        f"a worker could not be started by '{method}' in {_ATTEMPTS} tries (the last: {reason}); "
        "is there enough memory, and can workers start here?"
    )


def _reap_child_of(error: BaseException) -> None:
    """Wait for the child of a start that failed half-way: multiprocess does not."""
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
    """Return the preparation data of a process without `__main__`: workers do not import it, its objects go by value.

    So scripts need no `if __name__ == "__main__"` guard, and stdin and `python -c` work.
    """
    data = _preparation_data(name)
    if name == _NAME:
        data.pop("init_main_from_name", None)
        data.pop("init_main_from_path", None)
    return data


spawn.get_preparation_data = _without_main


def _forget_server() -> None:
    """Drop the fork server in a forked child: it belongs to the parent, and the child needs one of its own.

    multiprocess would wait for the parent's server process, and fail.
    """
    server = forkserver._forkserver
    if server._forkserver_alive_fd is not None:
        with contextlib.suppress(OSError):
            os.close(server._forkserver_alive_fd)
    server._forkserver_alive_fd = server._forkserver_pid = server._forkserver_address = None
    # Another thread may have held the lock.
    server._lock = threading.Lock()


os.register_at_fork(after_in_child=_forget_server)
