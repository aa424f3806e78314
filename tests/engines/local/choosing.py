"""Choices that are made beforehand: `runtime=at(3)` moves a stream after its third item, whatever it measures."""

from __future__ import annotations

from collections.abc import Callable

from daglite.runtime.engines.config import Auto
from daglite.runtime.engines.cost_model import Answer, NextSlice, PlacementOptions, PlacementPolicy, SliceStats

__all__ = ["at", "moving_at"]


class _At(PlacementPolicy):
    """Answers `answer` from the item `moves` on; a part ends there, and no part has more than `most` items."""

    def __init__(self, places: PlacementOptions, moves: int | None, answer: Answer, most: int) -> None:
        super().__init__(places)
        self._moves, self._answer, self._most = moves, answer, most
        self._seen = 0

    def next(self) -> NextSlice:
        left = self._most if self._moves is None else max(1, min(self._most, self._moves - self._seen))
        return NextSlice(10.0, left, timed=self._seen % 2 == 0)

    def observe(self, seen: SliceStats, more: int | None) -> Answer:
        super().observe(seen, more)
        self._seen += seen.items
        return "stay" if self._moves is None or self._seen < self._moves else self._answer


def moving_at(moves: int | None, answer: Answer, most: int = 1000) -> Callable[[PlacementOptions], PlacementPolicy]:
    """What makes such a choice."""
    return lambda places: _At(places, moves, answer, most)


def at(moves: int | None, answer: Answer = "processes", *, workers: int = 2, most: int = 1000) -> Auto:
    """A runtime that moves after so many items of a stream; None: never."""
    return Auto(workers, choose=moving_at(moves, answer, most))
