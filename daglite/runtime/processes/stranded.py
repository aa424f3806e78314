"""The end of the interpreter, for pools that are open still: a stream nobody closed, kept workers, a daemon thread."""

from __future__ import annotations

import atexit
import weakref
from typing import Protocol

__all__ = ["strand_at_exit"]


class Strandable(Protocol):
    """What may have workers when the interpreter ends."""

    def strand(self) -> None: ...


# All that are open.
_OPEN: weakref.WeakSet[Strandable] = weakref.WeakSet()


def strand_at_exit(session: Strandable) -> None:
    """Have `session.strand()` called when the interpreter ends, if the session is still there."""
    _OPEN.add(session)


def _strand_all() -> None:
    for session in list(_OPEN):
        session.strand()


# Later than what users have registered since, earlier than Python's own last steps.
atexit.register(_strand_all)
