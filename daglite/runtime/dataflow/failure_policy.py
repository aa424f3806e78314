"""Which error ends a run, and how many items may fail without ending it. Pure bookkeeping; the time is passed in."""

from __future__ import annotations

import logging
import sys
from collections import Counter
from collections.abc import Iterable

from daglite.exceptions import Failure, TooManyFailuresError
from daglite.runtime.kernel.errors import attach_facts
from daglite.runtime.kernel.retry import ItemFailure

_log = logging.getLogger("daglite")


class FailureCounter:
    """Counts the items of a run that failed without ending it, and logs the skipped ones when the run ends."""

    def __init__(self, most: int | None) -> None:
        """At most `most` items may fail; None means any number."""
        self._most = most
        self.count = 0
        self._skipped: Counter[str] = Counter()
        self._first: ItemFailure | None = None

    def add(self, item_failure: ItemFailure) -> None:
        """Count a failed item; raise `TooManyFailuresError` when there are too many."""
        self.count += 1
        if item_failure.skipped:
            self._first = self._first or item_failure
            self._skipped[item_failure.task] += 1
        if self._most is not None and self.count > self._most:
            error = TooManyFailuresError(
                f"more items failed than `max_failures={self._most}` allows; the last: {_describe(item_failure)}"
            )
            raise attach_facts(error, Failure(item_failure.task, item_failure.step, item_failure.item))

    def add_below(self, place: int, item_failures: Iterable[ItemFailure]) -> None:
        """Count the failures of items before a position; later items are not part of the result."""
        for item_failure in item_failures:
            if item_failure.place < place:
                self.add(item_failure)

    def close(self) -> None:
        """Log a warning if items were skipped: the result does not show it."""
        if self._first is None:
            return
        count, tasks = self._skipped.total(), ", ".join(f"'{task}' {count}" for task, count in self._skipped.items())
        _log.warning(
            "items skipped because a task failed: %d (%s); the first: %s", count, tasks, _describe(self._first)
        )
        self._first = None


def _describe(item_failure: ItemFailure) -> str:
    where = "" if item_failure.item is None else f", item {item_failure.item}"
    return f"task '{item_failure.task}'{where}: {item_failure.error}"


# How many seconds items before a failed one may still take to fail themselves.
_GRACE = 1.0
# The rank of an error that does not belong to an item.
_BEFORE_ALL = sys.maxsize


class FailurePolicy:
    """Chooses the error that ends a run.

    Ordered, it is the earliest among the errors within 1 s of the first; unordered, the first one. Errors rank by
    sequential execution order, in which each item goes through all segments before the next item begins. A segment
    receives only results of items before the failed item of the segment before it. So an error in a later segment is
    earlier, and within a segment the error of the lower index.
    """

    __slots__ = ("_deadline", "_first_wanted", "_ordered", "error", "executor", "index")

    def __init__(self, *, ordered: bool) -> None:
        self.error: BaseException | None = None
        self.index = -1
        self.executor = 0
        # Errors of segments before this one do not count.
        self._first_wanted = 0
        self._ordered = ordered
        self._deadline = 0.0

    def record(self, index: int, error: BaseException, now: float, *, executor: int = 0) -> None:
        """Record the error of an item in a segment; index -1 is an error that precedes those of all items."""
        if index < 0:
            executor = _BEFORE_ALL
        if executor < self._first_wanted:
            return
        if self.error is None:
            self._deadline = now + _GRACE
        elif not self._ordered or not self._precedes(executor, index):
            return
        self.executor, self.index, self.error = executor, index, error

    def wants(self, index: int, *, executor: int = 0) -> bool:
        """Return whether an item may still be sent: its error would precede the recorded one."""
        return self.error is None or (self._ordered and self._precedes(executor, index))

    def drop(self, executor: int) -> None:
        """Discard the errors of the segments before this one, whose results are not wanted any more."""
        self._first_wanted = executor
        if self.executor < executor:
            self.error, self.index, self.executor = None, -1, executor

    def _precedes(self, executor: int, index: int) -> bool:
        return executor > self.executor or (executor == self.executor and index < self.index)

    def poll_timeout(self, lowest_in_flight: int | None, now: float) -> float:
        """Return for how many seconds an earlier error may still arrive; 0 means that the error is final.

        `lowest_in_flight` is the first index in flight in the segment of the error, or -1 when a later segment has
        items.
        """
        if self.index < 0 or not self._ordered or lowest_in_flight is None or lowest_in_flight > self.index:
            return 0.0
        return max(0.0, self._deadline - now)
