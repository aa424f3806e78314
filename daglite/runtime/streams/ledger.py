"""The items of a run that failed without ending it: how many there are, how many there may be, what is said of them."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Iterable

from daglite.exceptions import Failure, TooManyFailuresError
from daglite.runtime.failures import blame
from daglite.runtime.trying import Mishap

__all__ = ["Ledger"]

_log = logging.getLogger("daglite")


class Ledger:
    """Counts mishaps; what was skipped is said when the run is over, as nothing else tells of it."""

    def __init__(self, most: int | None) -> None:
        """`most` may fail; None: any number."""
        self._most = most
        self._count = 0
        self._skipped: Counter[str] = Counter()
        self._first: Mishap | None = None

    def add(self, mishap: Mishap) -> None:
        """An item failed; raises `TooManyFailuresError` when it is one too many."""
        self._count += 1
        if mishap.skipped:
            self._first = self._first or mishap
            self._skipped[mishap.task] += 1
        if self._most is not None and self._count > self._most:
            error = TooManyFailuresError(
                f"more items failed than `max_failures={self._most}` allows; the last: {_told(mishap)}"
            )
            raise blame(error, Failure(mishap.task, mishap.step, mishap.item))

    def add_below(self, place: int, mishaps: Iterable[Mishap]) -> None:
        """Add those of items before a place: what is behind it was not asked for."""
        for mishap in mishaps:
            if mishap.place < place:
                self.add(mishap)

    def close(self) -> None:
        """Say what was skipped."""
        if self._first is None:
            return
        count, tasks = self._skipped.total(), ", ".join(f"'{task}' {count}" for task, count in self._skipped.items())
        _log.warning("items skipped because a task failed: %d (%s); the first: %s", count, tasks, _told(self._first))
        self._first = None


def _told(mishap: Mishap) -> str:
    where = "" if mishap.item is None else f", item {mishap.item}"
    return f"task '{mishap.task}'{where}: {mishap.error}"
