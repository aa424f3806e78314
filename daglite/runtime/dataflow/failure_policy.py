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

    def add(self, item_failure: ItemFailure) -> None:
        """An item failed; raises `TooManyFailuresError` when it is one too many."""
        self.count += 1
        if item_failure.skipped:
            self._first = self._first or item_failure
            self._skipped[item_failure.task] += 1
        if self._most is not None and self.count > self._most:
            error = TooManyFailuresError(
                f"more items failed than `max_failures={self._most}` allows; the last: {_told(item_failure)}"
            )
            raise blame(error, Failure(item_failure.task, item_failure.step, item_failure.item))

    def add_below(self, place: int, item_failures: Iterable[ItemFailure]) -> None:
        """Add those of items before a place: what is behind it was not asked for."""
        for item_failure in item_failures:
            if item_failure.place < place:
                self.add(item_failure)

    def close(self) -> None:
        """Say what was skipped."""
        if self._first is None:
            return
        count, tasks = self._skipped.total(), ", ".join(f"'{task}' {count}" for task, count in self._skipped.items())
        _log.warning("items skipped because a task failed: %d (%s); the first: %s", count, tasks, _told(self._first))
        self._first = None


def _told(item_failure: ItemFailure) -> str:
    where = "" if item_failure.item is None else f", item {item_failure.item}"
    return f"task '{item_failure.task}'{where}: {item_failure.error}"


# How long, in seconds, items before a failed one may still fail themselves.
_GRACE = 1.0
_BEFORE_ALL = sys.maxsize


class FailurePolicy:
    """Ordered: the earliest among errors within 1 s of the first. Unordered: the first one seen.

    Earlier is what one item after the other, each taken through all legs before the next comes, would have met first:
    a leg is given only what came of items before the failed one of the leg before. So an error in a later leg is
    earlier, and in the same leg that of a lower index.
    """

    __slots__ = ("_deadline", "_ordered", "_wanted", "error", "executor", "index")

    def __init__(self, *, ordered: bool) -> None:
        self.error: BaseException | None = None
        self.index = -1
        self.executor = 0
        # The first leg whose errors are anybody's business.
        self._wanted = 0
        self._ordered = ordered
        self._deadline = 0.0

    def record(self, index: int, error: BaseException, now: float, *, executor: int = 0) -> None:
        """An item of a leg failed, or (index -1) something that no other item can come before."""
        if index < 0:
            executor = _BEFORE_ALL
        if executor < self._wanted:
            return
        if self.error is None:
            self._deadline = now + _GRACE
        elif not self._ordered or not self._earlier(executor, index):
            return
        self.executor, self.index, self.error = executor, index, error

    def wants(self, index: int, *, executor: int = 0) -> bool:
        """Whether an item may still be sent: its failure, if any, would come before the one that is known."""
        return self.error is None or (self._ordered and self._earlier(executor, index))

    def drop(self, executor: int) -> None:
        """What the legs before this one do is not wanted any more, so their errors never happened."""
        self._wanted = executor
        if self.executor < executor:
            self.error, self.index, self.executor = None, -1, executor

    def _earlier(self, executor: int, index: int) -> bool:
        return executor > self.executor or (executor == self.executor and index < self.index)

    def poll_timeout(self, lowest_under_way: int | None, now: float) -> float:
        """Seconds that the error may still wait for items before it; 0 when it is final.

        `lowest_under_way` is the first index in the leg of the error, or -1 when a later leg has anything to do.
        """
        if self.index < 0 or not self._ordered or lowest_under_way is None or lowest_under_way > self.index:
            return 0.0
        return max(0.0, self._deadline - now)
