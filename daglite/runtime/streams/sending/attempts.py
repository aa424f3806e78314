"""Attempts that did not end with an answer: what goes out again, what failed for good. See `ended` for the rules."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Sequence

from daglite.runtime.chain import BoundStep
from daglite.runtime.codec import ItemCodec
from daglite.runtime.executor import Reply
from daglite.runtime.streams.sending.blaming import Blaming
from daglite.runtime.streams.sending.ended import died, overdue, spent_on, with_spent
from daglite.runtime.streams.sending.flight import Flight
from daglite.runtime.streams.window import Window
from daglite.runtime.trying import Spent

__all__ = ["Attempts"]


class Attempts:
    """Batches that go out again, those of the first items first."""

    def __init__(
        self, steps: Sequence[BoundStep], codec: ItemCodec, window: Window, blaming: Blaming, *, retries: int
    ) -> None:
        """`retries`: how often an item starts again when its worker died."""
        # What waits to go out again.
        self.waiting: deque[Flight] = deque()
        self._steps = steps
        self._codec = codec
        self._window = window
        self._blaming = blaming
        self._retries = retries

    def take(self, most: int | None) -> Flight:
        """The next batch; what comes back from a dead worker may be more than any other may still take."""
        flight = self.waiting.popleft()
        if most is None or len(flight.cells) <= most:
            return flight
        head, rest = flight.cells[:most], flight.cells[most:]
        self._window.split(2)
        parts = [Flight(flight.first + place, cells, 0, flight.attempt) for place, cells in ((0, head), (most, rest))]
        self._share(flight.nbytes, parts)
        self.waiting.appendleft(parts[1])
        return parts[0]

    def add(self, flight: Flight) -> None:
        """It goes out again as it was."""
        self._add((flight,))

    def remake(self, parts: Sequence[tuple[int, Sequence[object]]]) -> None:
        """Parts are gone that stayed with a worker: what they were made of, by its first place, goes out again."""
        # They have been through the window, which only counts the results under way: one more, and what it splits into.
        # Their bytes are those of the group that they are made for, until it comes home.
        self._window.split(2)
        self._split(0, [Flight(first, cells, 0) for first, cells in parts])

    def overdue(self, flight: Flight, reply: Reply) -> None:
        """One item took too long; the others in the batch are innocent, and results before it are gone."""
        place, done = flight.first + reply.done, reply.done
        function = self._blaming.function(reply.step)
        assert function is not None, "only a step of its own has a time limit"
        spent = spent_on(reply, function)
        if spent is None:
            self._blaming.fail(flight, done, overdue(function, reply), reply)
        # Of a result that came in pieces the item is alone.
        late, at_it = with_spent(flight.spent, spent), flight.cells[done : done + 1]
        parts = [
            Flight(flight.first, flight.cells[:done], 0, flight.attempt),
            Flight(place, at_it, 0, flight.attempt, flight.known, late),
            Flight(place + 1, flight.cells[done + 1 :], 0, flight.attempt),
        ]
        # After an error that ends the run only what is before it matters.
        self._split(flight.nbytes, parts[:1] if spent is None else parts)

    def lost(self, flight: Flight, reply: Reply) -> None:
        """A worker died: what it had not begun goes out as it was, what it may have begun one by one."""
        if not reply.started:
            self.add(flight)
        elif (spent := self._condemned(flight, reply)) is not None:
            self._split(flight.nbytes, [Flight(flight.first, flight.cells, 0, spent=with_spent(flight.spent, spent))])
        elif flight.attempt > self._retries or not all(step.function.retry_on_crash for step in self._steps):
            names = " -> ".join(step.function.name for step in self._steps)
            self._blaming.fail(flight, 0, died(names, self._blaming.items(flight), reply, flight.attempt), reply)
        else:
            self._split(flight.nbytes, list(self._singly(flight)))

    def _singly(self, flight: Flight) -> Iterator[Flight]:
        """Under suspicion of having killed its worker, each item by itself."""
        for place, cell in enumerate(flight.cells, flight.first):
            yield Flight(place, [cell], 0, flight.attempt + 1, flight.known, flight.spent)

    def _condemned(self, flight: Flight, reply: Reply) -> Spent | None:
        """That the item has failed for good, where its last start is over and the step at which it was goes on."""
        function = self._blaming.function(reply.step)
        if function is None or flight.attempt <= max(1, self._retries) or function.on_error == "raise":
            return None
        told = str(died(function.name, self._blaming.items(flight), reply, flight.attempt))
        return Spent(reply.step, flight.attempt, told, died=True)

    def _split(self, nbytes: int, parts: Sequence[Flight]) -> None:
        """The parts of a batch that was under way, in so many bytes, go out again, each by itself."""
        parts = [part for part in parts if part.cells]
        self._window.split(len(parts))
        self._share(nbytes, parts)
        self._add(parts)

    def _share(self, nbytes: int, parts: Sequence[Flight]) -> None:
        """Each part takes out of the window its share of what went in: weighed anew they would be more or less."""
        weights = [max(1, self._codec.weigh(part.cells)) for part in parts]
        rest = sum(weights)
        for part, weight in zip(parts, weights, strict=True):
            part.nbytes = nbytes * weight // rest
            nbytes, rest = nbytes - part.nbytes, rest - weight

    def _add(self, parts: Sequence[Flight]) -> None:
        self.waiting = deque(sorted([*self.waiting, *parts], key=lambda each: each.first))
