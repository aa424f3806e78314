"""Streams at work at the same time: one that runs, and those that it pulls. One lock, one helper thread for all.

Only one of them can wait for workers, as there is one wait for all. Whoever does sees to the others as well: what they
have is sent, and what came of it goes on. So none stands still because another is asked.
"""

from __future__ import annotations

import threading
from collections.abc import Sequence
from typing import Protocol

from daglite.runtime.board import Boards
from daglite.runtime.streams.helper import Helper

__all__ = ["Company", "Member"]


class Member(Protocol):
    """A stream with workers. All is called under the lock of the company, but for `check`."""

    def send(self) -> float | None:
        """Send what waits. How long, in seconds, whoever waits may do so because of this one; None: for ever."""
        ...

    def pass_on(self) -> None:
        """Pass on what came of it."""
        ...

    def busy(self) -> bool:
        """Whether anything is under way."""
        ...

    def relieve(self, timeout: float) -> bool:
        """One turn while its caller is stuck; tells whether anything is under way."""
        ...


class Company:
    """The streams with workers, the one that is pulled by none of them last."""

    def __init__(self, boards: Boards, *, helper_thread: bool) -> None:
        self.lock = threading.Lock()
        self.helper = Helper(self._relieve, boards.wake) if helper_thread else None
        # Nothing is under way any more, because of this error.
        self.stopped: BaseException | None = None
        self._members: list[Member] = []

    def join(self, member: Member) -> None:
        """One more."""
        with self.lock:
            self._members.append(member)

    def leave(self, member: Member) -> None:
        """One less; with the last of them the helper goes."""
        if self.helper is not None:
            self.helper.leave()
        with self.lock:
            self._members.remove(member)
        if not self._members:
            self.close()

    def close(self) -> None:
        """End the helper thread; returns when it is gone."""
        if self.helper is not None:
            self.helper.close()

    def others(self, member: Member) -> Sequence[Member]:
        """All but this one; whoever pulls before those that it pulls, as what goes on there makes room here."""
        if len(self._members) == 1:
            return ()
        return [other for other in reversed(self._members) if other is not member]

    def _relieve(self, timeout: float) -> bool:
        with self.lock:
            if self.helper is None or not self.helper.away() or self.stopped is not None or not self._members:
                return False
            return self._members[-1].relieve(timeout)
