"""The helper thread: keeps answers and folds flowing while the caller is stuck in the source.

The source runs on the caller's thread, where its database handles, context variables and Ctrl-C work as expected.
When one pull takes longer than `_POLL_TIMEOUT`, the helper does the caller's other work until the caller is back: from
`_LOOK` on at the latest, as it looks no more often than it must; each look takes the interpreter from the caller.
"""

from __future__ import annotations

import contextlib
import contextvars
import threading
import time
from collections.abc import Callable

from daglite.runtime.engines.base import THREAD_ROLE

_POLL_TIMEOUT = 0.002
_LOOK = 0.004
_LONG = 0.05


class HelperThread:
    """A thread that is started when first needed and works only while the caller is away."""

    def __init__(self, relieve: Callable[[float], bool], wake: Callable[[], None]) -> None:
        """`relieve(timeout)` does one turn and tells whether anything is under way; `wake` ends its waiting."""
        self._relieve = relieve
        self._wake = wake
        self._since: float | None = None
        self._poll_timeout = _POLL_TIMEOUT
        self._working = False
        self._closing = False
        # Locked while nobody has called it; a lock waits in C, where an event takes a hundred steps for each look.
        self._bell = threading.Lock()
        self._bell.acquire()
        self._thread: threading.Thread | None = None
        # Folds on the helper see the context variables of the caller, as a copy.
        self._context = contextvars.copy_context()

    def enter(self, *, slow: bool) -> None:
        """The caller goes into the source; `slow`: it will be long, so the helper need not wait and see."""
        self._since = 0.0 if slow else time.monotonic()
        self._poll_timeout = _LONG if slow else _POLL_TIMEOUT
        if self._thread is None:
            thread = threading.Thread(target=self._context.run, args=(self._work,), name="daglite-helper", daemon=True)
            # At the end of the interpreter no thread can start: the run goes on without help.
            with contextlib.suppress(RuntimeError):
                thread.start()
                self._thread = thread
        elif slow:
            self._call()

    @property
    def awake(self) -> bool:
        """Whether there is a thread: at the end of the interpreter none can be started."""
        return self._thread is not None

    def leave(self) -> None:
        """The caller is back and wants the lock."""
        self._since = None
        if self._working:
            self._wake()

    def away(self) -> bool:
        """Whether the caller is still away."""
        return self._since is not None and not self._closing

    def close(self) -> None:
        """End the thread; returns when it is gone."""
        self._closing = True
        if self._thread is None or self._thread is threading.current_thread():
            return
        self._call()
        while self._thread.is_alive():
            # Again and again: a wake-up that comes just before the thread starts to wait would be lost.
            self._wake()
            self._thread.join(_LONG)

    def _call(self) -> None:
        with contextlib.suppress(RuntimeError):
            # It may have been called already.
            self._bell.release()

    def _work(self) -> None:
        THREAD_ROLE.helping = True
        while not self._closing:
            since = self._since
            away = 0.0 if since is None else time.monotonic() - since
            if away < _POLL_TIMEOUT:
                self._bell.acquire(timeout=_LOOK - away)
                continue
            self._working = True
            busy = self._relieve(self._poll_timeout)
            self._working = False
            if not busy:
                self._bell.acquire(timeout=self._poll_timeout)
