"""A batch under way: kept until it is answered, because its worker may die."""

from __future__ import annotations

from collections.abc import Sequence

from daglite.runtime.trying import Spent

__all__ = ["Flight"]


class Flight:
    """Cells of consecutive items, from the place `first` on. `attempt` counts their starts from 1.

    Of an item whose result comes in pieces `known` counts what has come; see `spread`. `spent` are the attempts at its
    only item that ended with their worker.
    """

    __slots__ = ("attempt", "cells", "first", "known", "nbytes", "spent")

    def __init__(
        self,
        first: int,
        cells: Sequence[object],
        nbytes: int,
        attempt: int = 1,
        known: int = 0,
        spent: tuple[Spent, ...] = (),
    ) -> None:
        self.first = first
        self.cells = cells
        self.nbytes = nbytes
        self.attempt = attempt
        self.known = known
        self.spent = spent
