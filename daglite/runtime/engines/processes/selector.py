"""The selector in which the coordinator waits for its worker processes; any thread can wake it."""

from __future__ import annotations

import contextlib
import os
import selectors
import socket
import time
from collections.abc import Sequence
from typing import cast

from daglite.runtime.engines.processes.worker_handle import WorkerProcess

# The data of a descriptor of another engine, in the place of a worker.
_OTHER_ENGINE = object()
# Bytes of wake-ups that one call reads.
_DRAIN_BYTES = 4096
# A selector counts milliseconds in 32 bits, and a time limit may be any number, also infinity: a longer wait returns
# once a day, for nothing.
_LONGEST = 86_400.0
# A wait of at most this many seconds is brief; one that ends within this many may be spent without sleep.
_BRIEF, _SPIN = 0.001, 0.0005


class WorkerSelector:
    """Waits for the sockets and the sentinels of workers."""

    def __init__(self) -> None:
        with contextlib.ExitStack() as undo:
            self.selector = undo.enter_context(selectors.DefaultSelector())
            self._in, self._out = socket.socketpair()
            # From here on `close` closes them.
            undo.pop_all()
        self._fd = self.selector.fileno()
        # Whether the last brief wait ended within `_SPIN`.
        self._spin = False
        self._in.setblocking(False)
        self._out.setblocking(False)
        self.selector.register(self._out, selectors.EVENT_READ, None)

    def select(self, timeout: float | None) -> Sequence[tuple[WorkerProcess, object, int]]:
        """Return the workers that have events: each with the socket or sentinel that is ready, and the events."""
        if timeout and timeout <= _BRIEF:
            ready = self._select_brief(timeout)
        else:
            ready = self.selector.select(None if timeout is None else min(timeout, _LONGEST))
        found = []
        for key, events in ready:
            if key.data is None:
                self.drain()
            elif key.data is not _OTHER_ENGINE:
                found.append((cast("WorkerProcess", key.data), key.fileobj, events))
        return found

    def _select_brief(self, timeout: float) -> Sequence[tuple[selectors.SelectorKey, int]]:
        """Wait for a result that may come at once, as the one for an item that a slow source has just given.

        To be woken takes a tenth of a millisecond, and more where the processor has fallen asleep as well: as long as
        such a result takes. So where the last one came within `_SPIN`, this looks for the next one without sleeping.
        """
        clock, ready = time.perf_counter, list[tuple[selectors.SelectorKey, int]]()
        began = clock()
        while self._spin and not ready and clock() - began < _SPIN:
            ready = self.selector.select(0)
            # The worker may need this processor.
            os.sched_yield()
        ready = ready or self.selector.select(timeout)
        self._spin = bool(ready) and clock() - began < _SPIN
        return ready

    def wake(self) -> None:
        """End a wait in another thread."""
        with contextlib.suppress(BlockingIOError, OSError):
            self._in.send(b"\0")

    def drain(self) -> None:
        """Drop the wake-ups so far."""
        with contextlib.suppress(BlockingIOError):
            while len(self._out.recv(_DRAIN_BYTES)) == _DRAIN_BYTES:
                pass

    def fileno(self) -> int:
        """Return one file descriptor for everything that is waited for here; -1 once it is closed."""
        return self._fd

    def watch(self, fd: int, *, on: bool) -> None:
        """End each wait also when `fd` is readable; with `on=False` no longer."""
        if on:
            self.selector.register(fd, selectors.EVENT_READ, _OTHER_ENGINE)
            return
        # One of the two may be closed already.
        with contextlib.suppress(KeyError, ValueError, RuntimeError):
            self.selector.unregister(fd)

    def close(self) -> None:
        """Close the selector and its sockets."""
        self._fd = -1
        self.selector.close()
        self._in.close()
        self._out.close()
