"""Results that come in pieces, as the coordinator sees them: which are begun, where, and which may go on.

A batch under way: kept until it is answered, because its worker may die.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from daglite.runtime.dataflow.flow_control import FlowControl
from daglite.runtime.kernel.chunked_results import CHUNK_BYTES
from daglite.runtime.kernel.retry import FailedAttempts


class InFlightBatch:
    """Cells of consecutive items, from the place `first` on. `attempt` counts their starts from 1.

    Of an item whose result comes in pieces `known` counts what has come; see `spread`. `failed_attempts` are the attempts at its
    only item that ended with their worker.
    """

    __slots__ = ("attempt", "cells", "failed_attempts", "first", "known", "nbytes")

    def __init__(
        self,
        first: int,
        cells: Sequence[object],
        nbytes: int,
        attempt: int = 1,
        known: int = 0,
        failed_attempts: tuple[FailedAttempts, ...] = (),
    ) -> None:
        self.first = first
        self.cells = cells
        self.nbytes = nbytes
        self.attempt = attempt
        self.known = known
        self.failed_attempts = failed_attempts


# So many at a time for each worker, as each may hold what a user's generator holds, such as a file; and pieces of one
# that may wait to go on.
_PER_WORKER = 2
_MOST_WAITING = 4


class OpenResult:
    """An item whose result comes in pieces: the worker that has begun it, and pieces that have not gone on yet."""

    __slots__ = ("asked", "flight", "waiting", "worker")

    def __init__(self, flight: InFlightBatch, worker: int | None) -> None:
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


class OpenResults:
    """The results that are begun, by the places of their items."""

    def __init__(self, workers: int, window: FlowControl) -> None:
        self.begun: dict[int, OpenResult] = {}
        self._most = _PER_WORKER * workers
        self._window = window

    def may_begin(self, place: int) -> bool:
        """Whether one more may begin: the first of all always, others while not too many are open."""
        return len(self.begun) < self._most or place <= min(self.begun)

    def due(self) -> Iterator[OpenResult]:
        """Those of which another piece may come."""
        return (one for one in self.begun.values() if not one.asked and self._has_room(one))

    def passed_on(self, place: int) -> None:
        """A piece of the result of this item has gone on."""
        if place in self.begun:
            self.begun[place].waiting -= 1

    def _has_room(self, one: OpenResult) -> bool:
        return one.waiting == 0 or (one.waiting < _MOST_WAITING and self._window.left() > CHUNK_BYTES)
