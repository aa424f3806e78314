"""The route of a stream: its legs, one behind the other. Whoever is nearer to the ending is served first."""

from __future__ import annotations

from collections.abc import Sequence

from daglite.runtime.leg import Leg
from daglite.runtime.verdict import Verdict

__all__ = ["Route"]


class Route:
    """All legs of one stream, under the lock of its loop."""

    def __init__(self, legs: Sequence[Leg], verdict: Verdict) -> None:
        self.first = legs[0]
        self.last = legs[-1]
        self.boards = list(dict.fromkeys(leg.board for leg in legs))
        self._verdict = verdict

    def dispatch(self, *, hurry: bool) -> None:
        """Send what waits."""
        self.first.dispatch(hurry=hurry)

    def move(self) -> None:
        """Pass results on, and use the places that became free."""
        self.last.deliver()
        self.first.dispatch(hurry=False)

    def full(self) -> bool:
        """Whether the ending wants nothing more."""
        return self.last.intake.full

    def busy(self) -> bool:
        """Whether anything is under way or waits to be sent."""
        return self.first.shipping.busy()

    def room(self) -> int:
        """How many items the first leg could take now."""
        return min(self.first.shipping.wanted(), self.first.window.room())

    def lowest(self) -> int | None:
        """The index of the first item that is under way or waits to be sent."""
        return self.first.shipping.lowest()

    def over(self) -> bool:
        """Whether every result has gone on."""
        return self.last.over()
