"""The helper thread: receives and delivers results while the caller is blocked in the source.

The source runs on the caller's thread, where its database handles, context variables and Ctrl-C work as expected. When
a pull takes longer than `_POLL_TIMEOUT`, the helper does the caller's other work until the caller is back. It checks
for that within `_CHECK_INTERVAL` seconds, and no more often: each check takes the interpreter from the caller.
"""

from __future__ import annotations

import contextlib
import contextvars
import threading
import time
from collections.abc import Callable

from daglite.runtime.engines.base import THREAD_ROLE

_POLL_TIMEOUT = 0.002
_CHECK_INTERVAL = 0.004
_LONG_POLL_TIMEOUT = 0.05


class HelperThread:
    """A thread that is started when it is first needed and works only while the caller is away."""

    def __init__(self, help_turn: Callable[[float], bool], wake: Callable[[], None]) -> None:
        """`help_turn(timeout)` does one turn and returns whether anything is in flight; `wake` ends its wait."""
        self._help_turn = help_turn
        self._wake = wake
        # When the caller left; None while it is here.
        self._since: float | None = None
        self._poll_timeout = _POLL_TIMEOUT
        self._working = False
        self._closing = False
        # Released to call the thread. A lock waits in C; an event takes a hundred bytecodes for each check.
        self._call_lock = threading.Lock()
        self._call_lock.acquire()
        self._thread: threading.Thread | None = None
        # Folds on the helper thread see the context variables of the caller, as a copy.
        self._context = contextvars.copy_context()

    def enter(self, *, slow: bool) -> None:
        """Note that the caller goes away; after `slow` sources the helper starts at once."""
        self._since = 0.0 if slow else time.monotonic()
        self._poll_timeout = _LONG_POLL_TIMEOUT if slow else _POLL_TIMEOUT
        if self._thread is None:
            thread = threading.Thread(target=self._context.run, args=(self._work,), name="daglite-helper", daemon=True)
            # At the end of the interpreter no thread can start: the run goes on without help.
            with contextlib.suppress(RuntimeError):
                thread.start()
                self._thread = thread
        elif slow:
            self._call()

    @property
    def started(self) -> bool:
        """Whether the thread was started; at the end of the interpreter it cannot be."""
        return self._thread is not None

    def leave(self) -> None:
        """Note that the caller is back and needs the lock."""
        self._since = None
        if self._working:
            self._wake()

    def away(self) -> bool:
        """Return whether the caller is still away."""
        return self._since is not None and not self._closing

    def close(self) -> None:
        """End the thread and wait for its end."""
        self._closing = True
        if self._thread is None or self._thread is threading.current_thread():
            return
        self._call()
        while self._thread.is_alive():
            # Repeated: a wake-up just before the thread begins to wait would be lost.
            self._wake()
            self._thread.join(_LONG_POLL_TIMEOUT)

    def _call(self) -> None:
        with contextlib.suppress(RuntimeError):
            # The lock may have been released already.
            self._call_lock.release()

    def _work(self) -> None:
        THREAD_ROLE.helping = True
        while not self._closing:
            since = self._since
            away = 0.0 if since is None else time.monotonic() - since
            if away < _POLL_TIMEOUT:
                self._call_lock.acquire(timeout=_CHECK_INTERVAL - away)
                continue
            self._working = True
            busy = self._help_turn(self._poll_timeout)
            self._working = False
            if not busy:
                self._call_lock.acquire(timeout=self._poll_timeout)
