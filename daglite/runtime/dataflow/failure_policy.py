"""Which error ends a run when there are several. Pure bookkeeping; the time is given.

The items of a run that failed without ending it: how many there are, how many there may be, what is said of them.
"""

from __future__ import annotations

import logging
import sys
from collections import Counter
from collections.abc import Iterable

from daglite.exceptions import Failure, TooManyFailuresError
from daglite.runtime.kernel.errors import blame
from daglite.runtime.kernel.retry import ItemFailure

_log = logging.getLogger("daglite")


class FailureCounter:
    """Counts mishaps; what was skipped is said when the run is over, as nothing else tells of it."""

    def __init__(self, most: int | None) -> None:
        """`most` may fail; None: any number."""
        self._most = most
        self.count = 0
        self._skipped: Counter[str] = Counter()
        self._first: ItemFailure | None = None

    def add(self, mishap: ItemFailure) -> None:
        """An item failed; raises `TooManyFailuresError` when it is one too many."""
        self.count += 1
        if mishap.skipped:
            self._first = self._first or mishap
            self._skipped[mishap.task] += 1
        if self._most is not None and self.count > self._most:
            error = TooManyFailuresError(
                f"more items failed than `max_failures={self._most}` allows; the last: {_told(mishap)}"
            )
            raise blame(error, Failure(mishap.task, mishap.step, mishap.item))

    def add_below(self, place: int, mishaps: Iterable[ItemFailure]) -> None:
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


def _told(mishap: ItemFailure) -> str:
    where = "" if mishap.item is None else f", item {mishap.item}"
    return f"task '{mishap.task}'{where}: {mishap.error}"


# How long, in seconds, items before a failed one may still fail themselves.
_GRACE = 1.0
_BEFORE_ALL = sys.maxsize


class FailurePolicy:
    """Ordered: the earliest among errors within 1 s of the first. Unordered: the first one seen.

    Earlier is what one item after the other, each taken through all legs before the next comes, would have met first:
    a leg is given only what came of items before the failed one of the leg before. So an error in a later leg is
    earlier, and in the same leg that of a lower index.
    """

    __slots__ = ("_deadline", "_ordered", "_wanted", "error", "index", "leg")

    def __init__(self, *, ordered: bool) -> None:
        self.error: BaseException | None = None
        self.index = -1
        self.leg = 0
        # The first leg whose errors are anybody's business.
        self._wanted = 0
        self._ordered = ordered
        self._deadline = 0.0

    def record(self, index: int, error: BaseException, now: float, *, leg: int = 0) -> None:
        """An item of a leg failed, or (index -1) something that no other item can come before."""
        if index < 0:
            leg = _BEFORE_ALL
        if leg < self._wanted:
            return
        if self.error is None:
            self._deadline = now + _GRACE
        elif not self._ordered or not self._earlier(leg, index):
            return
        self.leg, self.index, self.error = leg, index, error

    def wants(self, index: int, *, leg: int = 0) -> bool:
        """Whether an item may still be sent: its failure, if any, would come before the one that is known."""
        return self.error is None or (self._ordered and self._earlier(leg, index))

    def drop(self, leg: int) -> None:
        """What the legs before this one do is not wanted any more, so their errors never happened."""
        self._wanted = leg
        if self.leg < leg:
            self.error, self.index, self.leg = None, -1, leg

    def _earlier(self, leg: int, index: int) -> bool:
        return leg > self.leg or (leg == self.leg and index < self.index)

    def patience(self, lowest_under_way: int | None, now: float) -> float:
        """Seconds that the error may still wait for items before it; 0 when it is final.

        `lowest_under_way` is the first index in the leg of the error, or -1 when a later leg has anything to do.
        """
        if self.index < 0 or not self._ordered or lowest_under_way is None or lowest_under_way > self.index:
            return 0.0
        return max(0.0, self._deadline - now)
