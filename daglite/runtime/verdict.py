"""Which error ends a run when there are several. Pure bookkeeping; the time is given."""

from __future__ import annotations

__all__ = ["Verdict"]

# How long, in seconds, items before a failed one may still fail themselves.
_GRACE = 1.0


class Verdict:
    """Ordered: the lowest index among errors within 1 s of the first. Unordered: the first one seen."""

    __slots__ = ("_deadline", "_ordered", "error", "index")

    def __init__(self, *, ordered: bool) -> None:
        self.error: BaseException | None = None
        self.index = -1
        self._ordered = ordered
        self._deadline = 0.0

    def record(self, index: int, error: BaseException, now: float) -> None:
        """An item failed, or (index -1) something that no other item can come before."""
        if self.error is None:
            self._deadline = now + _GRACE
        elif not self._ordered or index >= self.index:
            return
        self.index = index
        self.error = error

    def wants(self, index: int) -> bool:
        """Whether an item may still be sent: its failure, if any, would come before the one that is known."""
        return self.error is None or (self._ordered and index < self.index)

    def patience(self, lowest_under_way: int | None, now: float) -> float:
        """Seconds that the error may still wait for items before it; 0 when it is final."""
        if self.index < 0 or not self._ordered or lowest_under_way is None or lowest_under_way > self.index:
            return 0.0
        return max(0.0, self._deadline - now)
