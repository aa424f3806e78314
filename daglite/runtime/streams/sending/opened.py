"""Results that come in pieces, as the coordinator sees them: which are begun, where, and which may go on."""

from __future__ import annotations

from collections.abc import Iterator

from daglite.runtime.streams.sending.flight import Flight
from daglite.runtime.streams.sending.spread import PIECE_BYTES
from daglite.runtime.streams.window import Window

__all__ = ["Begun", "Opened"]

# So many at a time for each worker, as each may hold what a user's generator holds, such as a file; and pieces of one
# that may wait to go on.
_PER_WORKER = 2
_MOST_WAITING = 4


class Begun:
    """An item whose result comes in pieces: the worker that has begun it, and pieces that have not gone on yet."""

    __slots__ = ("asked", "flight", "waiting", "worker")

    def __init__(self, flight: Flight, worker: int | None) -> None:
        self.flight = flight
        self.worker = worker
        self.waiting = 0
        # Whether the worker is at the next piece.
        self.asked = False

    def came(self, count: int) -> None:
        """A piece of so many items has come."""
        self.flight.known += count
        self.waiting += 1
        self.asked = False


class Opened:
    """The results that are begun, by the places of their items."""

    def __init__(self, workers: int, window: Window) -> None:
        self.begun: dict[int, Begun] = {}
        self._most = _PER_WORKER * workers
        self._window = window

    def may_begin(self, place: int) -> bool:
        """Whether one more may begin: the first of all always, others while not too many are open."""
        return len(self.begun) < self._most or place <= min(self.begun)

    def due(self) -> Iterator[Begun]:
        """Those of which another piece may come."""
        return (one for one in self.begun.values() if not one.asked and self._has_room(one))

    def passed_on(self, place: int) -> None:
        """A piece of the result of this item has gone on."""
        if place in self.begun:
            self.begun[place].waiting -= 1

    def _has_room(self, one: Begun) -> bool:
        return one.waiting == 0 or (one.waiting < _MOST_WAITING and self._window.left() > PIECE_BYTES)
