"""Which item failed, at which step, and all that is known of it: told to the verdict."""

from __future__ import annotations

import copy
import time
from collections.abc import Sequence

from daglite.exceptions import MOST_KEPT, Failure, Kept
from daglite.functions import Function
from daglite.runtime.chain import BoundStep
from daglite.runtime.codec import ItemCodec
from daglite.runtime.executor import Reply
from daglite.runtime.failures import attempts_of, blame, short_repr
from daglite.runtime.streams.sending.flight import Flight
from daglite.runtime.streams.source import Source
from daglite.runtime.streams.verdict import Verdict
from daglite.runtime.travel.cells import Captured

__all__ = ["Blaming"]


class Blaming:
    """Puts together what an error says of its item. `leg` is its number on the route."""

    def __init__(
        self, source: Source, steps: Sequence[BoundStep], codec: ItemCodec, verdict: Verdict, leg: int
    ) -> None:
        self._source = source
        self._steps = steps
        self._codec = codec
        self._verdict = verdict
        self._leg = leg

    def fail(self, flight: Flight, position: int, error: BaseException, reply: Reply, trace: str = "") -> None:
        """The item at this position of a batch failed."""
        step = self.step(reply.step) or self._steps[-1]
        function, number = step.function, reply.step if reply.step >= 0 else step.number
        attempt = max(flight.attempt, reply.attempt, attempts_of(function, error))
        item, kept = self._shown(flight.cells[position])
        place = flight.first + position
        index = self._source.index_of(place)
        facts = Failure(function.name, number, index, item, attempt, reply.worker, reply.exitcode, trace, kept)
        self._verdict.record(place, blame(error, facts), time.monotonic(), leg=self._leg)

    def step(self, number: int) -> BoundStep | None:
        """The step of that number, if it is one of this leg."""
        return next((step for step in self._steps if step.number == number), None)

    def function(self, number: int) -> Function | None:
        """Its function."""
        step = self.step(number)
        return None if step is None else step.function

    def items(self, flight: Flight) -> str:
        """The items of a batch, by their indices."""
        first, last = (self._source.index_of(flight.first + each) for each in (0, len(flight.cells) - 1))
        return f"item {first}" if last == first else f"items {first} to {last}"

    def _shown(self, cell: object) -> tuple[str, Kept]:
        """The item as text, and as it is kept for another run of it."""
        first = self._steps[0]
        (loaded,), bad = self._codec.unpack(self._codec.pack([cell]))
        if bad is not None:
            return "an item that cannot be loaded", Kept(first.number, None, first.seed, "it cannot be loaded")
        shown, nbytes = short_repr(loaded), self._codec.size(cell)
        if nbytes > MOST_KEPT:
            return shown, Kept(first.number, None, first.seed, f"its {nbytes} bytes are more than {MOST_KEPT}")
        kept = Kept(first.number, loaded, first.seed)
        # Large buffers lie in memory that is shared with workers and is needed again: that one travels, into a copy.
        return shown, copy.copy(kept) if isinstance(cell, Captured) and cell.buffers else kept
