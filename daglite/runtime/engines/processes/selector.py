"""Where the coordinator waits for its worker processes: one selector, woken from any thread, or by other sessions."""

from __future__ import annotations

import contextlib
import os
import selectors
import socket
import time
from collections.abc import Sequence
from typing import cast

from daglite.runtime.engines.processes.worker_handle import WorkerProcess

# Stands where a worker would: another session has something to be read.
_ELSEWHERE = object()
# Wake-ups that are forgotten in one go.
_MANY = 4096
# A selector counts milliseconds in 32 bits, and a time limit may be any number, infinity too: who waits for longer is
# back once a day, for nothing.
_LONGEST = 86_400.0
# Waits of up to so many seconds are brief; what comes within so many comes at once.
_BRIEF, _AT_ONCE = 0.001, 0.0005


class WorkerSelector:
    """Waits for sockets and for the ends of workers."""

    def __init__(self) -> None:
        with contextlib.ExitStack() as undo:
            self.selector = undo.enter_context(selectors.DefaultSelector())
            self._in, self._out = socket.socketpair()
            # From here on `close` sees to them.
            undo.pop_all()
        # Of `DefaultSelector` where it is one; `select` and `poll` have none.
        self._fd: int = getattr(self.selector, "fileno", lambda: -1)()
        # Whether the last brief wait ended at once.
        self._brisk = False
        self._in.setblocking(False)
        self._out.setblocking(False)
        self.selector.register(self._out, selectors.EVENT_READ, None)

    def select(self, timeout: float | None) -> Sequence[tuple[WorkerProcess, object, int]]:
        """The workers for which something happened: each with what it was, a socket or a sentinel, and its events."""
        if timeout and timeout <= _BRIEF:
            ready = self._briefly(timeout)
        else:
            ready = self.selector.select(None if timeout is None else min(timeout, _LONGEST))
        found = []
        for key, events in ready:
            if key.data is None:
                self.drain()
            elif key.data is not _ELSEWHERE:
                found.append((cast("WorkerProcess", key.data), key.fileobj, events))
        return found

    def _briefly(self, timeout: float) -> Sequence[tuple[selectors.SelectorKey, int]]:
        """Wait for what may come at once, as the answer to what a slow source has just given does.

        To be woken takes a tenth of a millisecond and more where the processor has fallen asleep as well: as long as
        such an answer. So where the last one came at once, the next is looked for again and again, as long as it may.
        """
        clock, ready = time.perf_counter, list[tuple[selectors.SelectorKey, int]]()
        began = clock()
        while self._brisk and not ready and clock() - began < _AT_ONCE:
            ready = self.selector.select(0)
            # It may be this processor that the worker needs.
            os.sched_yield()
        ready = ready or self.selector.select(timeout)
        self._brisk = bool(ready) and clock() - began < _AT_ONCE
        return ready

    def wake(self) -> None:
        """End a wait in another thread."""
        with contextlib.suppress(BlockingIOError, OSError):
            self._in.send(b"\0")

    def drain(self) -> None:
        """Forget that somebody woke this."""
        with contextlib.suppress(BlockingIOError):
            while len(self._out.recv(_MANY)) == _MANY:
                pass

    def fileno(self) -> int:
        """Return one file descriptor for everything that is waited for here; -1 once it is closed."""
        return self._fd

    def watch(self, fd: int, *, on: bool) -> None:
        """End each wait also when `fd` is readable; with `on=False` no longer."""
        if on:
            self.selector.register(fd, selectors.EVENT_READ, _ELSEWHERE)
            return
        # One of the two may be closed already.
        with contextlib.suppress(KeyError, ValueError, RuntimeError):
            self.selector.unregister(fd)

    def close(self) -> None:
        """Give everything back."""
        self._fd = -1
        self.selector.close()
        self._in.close()
        self._out.close()
