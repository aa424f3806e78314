"""Batches under way: packed, sent, answered, and sent again when their worker died."""

from __future__ import annotations

import bisect
import copy
import itertools
import time
from collections import deque
from collections.abc import Sequence
from functools import partial
from typing import cast

from daglite.exceptions import MOST_KEPT, Failure, Kept, TransferError
from daglite.runtime.board import Board
from daglite.runtime.chain import BoundStep
from daglite.runtime.codec import ItemCodec
from daglite.runtime.executor import Notes, Reply
from daglite.runtime.failures import attempts_of, blame, short_repr
from daglite.runtime.streams.batch import Batcher
from daglite.runtime.streams.ended import died, overdue, spent_on, with_spent
from daglite.runtime.streams.merge import Entry, Merge
from daglite.runtime.streams.source import Source
from daglite.runtime.streams.spread import PIECE_BYTES, More, Piece, Skip
from daglite.runtime.streams.verdict import Verdict
from daglite.runtime.streams.window import Window
from daglite.runtime.travel.cells import Captured, read_marks, reason_of
from daglite.runtime.trying import Mishap, Spent

__all__ = ["Shipping"]

# Results that come in pieces: so many at a time for each worker, and pieces of one that may wait to go on.
_OPEN_PER_WORKER = 2
_MOST_WAITING = 4


class _Flight:
    """A batch under way: kept until it is answered, because its worker may die. `attempt` counts starts from 1.

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


class _Open:
    """An item whose result comes in pieces: the worker that has begun it, and pieces that have not gone on yet."""

    __slots__ = ("asked", "flight", "waiting", "worker")

    def __init__(self, flight: _Flight, worker: int | None) -> None:
        self.flight = flight
        self.worker = worker
        self.waiting = 0
        # Whether the worker is at the next piece.
        self.asked = False


class Shipping:
    """Sends cells as batches over the board; results go into the merge, errors into the verdict."""

    def __init__(
        self,
        *,
        source: Source,
        board: Board,
        codec: ItemCodec,
        program: int,
        steps: Sequence[BoundStep],
        window: Window,
        batcher: Batcher,
        merge: Merge[list[object]],
        verdict: Verdict,
        retries: int,
        leg: int = 0,
    ) -> None:
        """`leg` is its number on the route."""
        self.pending: list[object] = []
        self._source = source
        self._board = board
        self._codec = codec
        self._program = program
        self._steps = steps
        self._folds = steps[-1].starts is not None
        self._marked = any(step.drops for step in steps) and not self._folds
        # The steps whose results come back for each item; where workers fold, one part of the whole batch besides.
        self._results = [step for step in steps if step.tapped] + ([] if self._folds else [steps[-1]])
        self._window = window
        self._batcher = batcher
        self._merge = merge
        self._verdict = verdict
        self._retries = retries
        self._leg = leg
        self._retired = False
        self._sent = source.count
        self._flights: set[_Flight] = set()
        self._returned: deque[_Flight] = deque()
        self._open: dict[int, _Open] = {}
        # Each may hold what a user's generator holds, such as a file.
        self._most_open = _OPEN_PER_WORKER * board.session.workers

    def lowest(self) -> int | None:
        """The index of the first item that is under way or waits to be sent."""
        waiting = [*self._open, *(flight.first for flight in (*self._flights, *self._returned))]
        return min([*waiting, self._sent] if self.pending else waiting, default=None)

    def busy(self) -> bool:
        """Whether anything is under way or waits to be sent."""
        return bool(self._flights or self._returned or self.pending or self._open)

    def wanted(self) -> int:
        """How many more items the workers could be given now."""
        return max(0, self._board.free() * self._batcher.size - len(self.pending))

    def dispatch(self, *, hurry: bool) -> None:
        """Send full batches; with `hurry`, or when a worker is idle, also one that is not full."""
        board = self._board
        if self._retired:
            return
        for place, one in self._open.items():
            if not one.asked and self._has_room(one) and self._wants(place):
                self._resume(one)
        while self._returned and board.free() > 0 and self._may_begin(self._returned[0].first):
            self._launch(self._next_returned())
        if self._returned or not self._may_begin(self._sent):
            board.session.flush()
            return
        while board.free() > 0:
            waiting = len(self.pending)
            if not waiting or (waiting < self._batcher.size and not hurry and not board.session.idle()):
                break
            self._launch_batch()
        board.session.flush()

    def passed_on(self, place: int) -> None:
        """A piece of the result of this item has gone on."""
        if place in self._open:
            self._open[place].waiting -= 1

    def _may_begin(self, place: int) -> bool:
        """Whether an item is wanted now: the first of all always, others while not too many results are open."""
        if len(self._open) >= self._most_open and place > min(self._open):
            return False
        return self._wants(place)

    def _has_room(self, one: _Open) -> bool:
        """Whether one more piece may wait to go on."""
        return one.waiting == 0 or (one.waiting < _MOST_WAITING and self._window.left() > PIECE_BYTES)

    def retire(self) -> None:
        """Nobody wants what is under way: its answers are not taken in, and nothing is sent again."""
        self._retired = True
        self.pending.clear()
        self._returned.clear()
        self._open.clear()

    def _wants(self, index: int) -> bool:
        return self._verdict.wants(index, leg=self._leg)

    def _size(self) -> int:
        """Items in the next batch: never more than its worker may still take."""
        most = self._board.session.most()
        return self._batcher.size if most is None else min(self._batcher.size, most)

    def _next_returned(self) -> _Flight:
        """What comes back from a dead worker may be more than any other may still take."""
        flight, most = self._returned.popleft(), self._board.session.most()
        if most is None or len(flight.cells) <= most:
            return flight
        head, rest = flight.cells[:most], flight.cells[most:]
        self._window.split(2)
        self._returned.appendleft(_Flight(flight.first + most, rest, self._codec.weigh(rest), flight.attempt))
        return _Flight(flight.first, head, self._codec.weigh(head), flight.attempt)

    def _launch_batch(self) -> None:
        """Send what waits, as much as a batch may hold."""
        cells = self.pending[: self._size()]
        plain = self._source.plain
        segments = self._codec.pack(cells, plain=plain)
        nbytes = self._codec.measure(segments)
        while nbytes > self._board.session.pace.most_bytes and len(cells) > 1:
            # Large items after small ones: half of them wait for the next batch.
            del cells[len(cells) // 2 :]
            segments = self._codec.pack(cells)
            nbytes = self._codec.measure(segments)
        count = len(cells)
        # The source may append at the same time, on its own thread.
        del self.pending[:count]
        flight = _Flight(self._sent, cells, nbytes)
        self._sent += count
        self._window.send(count, nbytes, 0 if plain else self._source.weigh(cells))
        self._flights.add(flight)
        notes = None if self._source.indices is None else self._notes(flight)
        answered = partial(self._answered, flight)
        self._board.submit(self._program, flight.first, count, segments, answered, notes, light=self._batcher.light)

    def _notes(self, flight: _Flight) -> Notes | None:
        """What the worker must know of a batch besides its items."""
        indices, suspect = self._source.indices, flight.attempt > 1
        if indices is None and not flight.spent and not suspect:
            return None
        places = range(flight.first, flight.first + len(flight.cells))
        return Notes(None if indices is None else [indices[place] for place in places], flight.spent, suspect)

    def _launch(self, flight: _Flight) -> None:
        """Send once more what a dead worker left."""
        self._flights.add(flight)
        cells = [self._codec.capture(Skip(flight.known)), *flight.cells] if flight.known else flight.cells
        segments, answered, notes = self._codec.pack(cells), partial(self._answered, flight), self._notes(flight)
        if flight.attempt == 1 and not flight.spent:
            self._board.submit(self._program, flight.first, len(flight.cells), segments, answered, notes)
            self._board.session.flush()
        else:
            # Under suspicion of killing its worker: it gets one of its own, so that nobody else is blamed.
            self._board.queue(self._program, "batch", segments, answered, first=flight.first, notes=notes)

    def _resume(self, one: _Open) -> None:
        """Ask for the next piece of a result."""
        one.asked = True
        flight = one.flight
        self._flights.add(flight)
        segments = self._codec.pack([self._codec.capture(More())])
        answered, notes = partial(self._answered, flight), self._notes(flight)
        self._board.resume(self._program, flight.first, segments, answered, one.worker, notes)

    def _answered(self, flight: _Flight, reply: Reply) -> None:
        self._flights.remove(flight)
        if self._retired:
            return
        begun = self._open.pop(flight.first, None)
        if reply.kind == "lost":
            self._lost(flight, reply)
            return
        if reply.kind == "overdue":
            self._overdue(flight, reply)
            return
        nbytes = self._codec.measure(reply.segments)
        values, bad = self._codec.unpack(reply.segments)
        if values and type(values[-1]) is Piece and bad is None:
            self._came_in_part(flight, begun, reply, values, nbytes)
            return
        self._window.arrive(len(flight.cells), flight.nbytes, nbytes)
        # A part is as large for few items as for many: a smaller batch would not make it cheaper.
        self._batcher.observe(reply.done, reply.seconds, flight.nbytes + (0 if self._folds else nbytes))
        if reply.error is not None:
            error, trace = reply.error
            self._fail(flight, reply.done, error, reply, trace)
        marks = self._marks(values)
        if bad is None:
            self._merge.add(Entry(flight.first, reply.done, values, nbytes, marks, self._mishaps(flight, reply)))
            return
        count = self._whole(flight, values, bad if marks is None else bad - 1, marks, reply)
        marks = None if marks is None else marks[:count]
        mishaps = [each for each in self._mishaps(flight, reply) if each.place < flight.first + count]
        self._merge.add(Entry(flight.first, count, values, nbytes, marks, mishaps))

    def _mishaps(self, flight: _Flight, reply: Reply) -> Sequence[Mishap]:
        """What failed in a batch; of an item that began again to give the rest of its result it is known."""
        return () if flight.known else reply.mishaps

    def _came_in_part(
        self, flight: _Flight, begun: _Open | None, reply: Reply, values: list[object], nbytes: int
    ) -> None:
        """A batch ended with the first piece of an item's result; or one more piece of it came."""
        piece = cast("Piece", values.pop())
        whole = reply.done - 1
        place, cells = flight.first + whole, flight.cells
        marks = self._marks(values)
        each, known = nbytes // reply.done, self._codec.weigh(cells[:whole])
        self._window.arrive(whole, known, nbytes)
        self._batcher.observe(reply.done, reply.seconds, flight.nbytes + nbytes)
        mishaps = self._mishaps(flight, reply)
        if whole:
            marks, before = None if marks is None else marks[:whole], [one for one in mishaps if one.place < place]
            self._merge.add(Entry(flight.first, whole, values, each * whole, marks, before))
            mishaps = [one for one in mishaps if one.place == place]
        part: list[object] = [self._source.index_of(place), piece.items]
        self._merge.add_part(Entry(place, 0, part, nbytes - each * whole, None, mishaps))
        rest, left = cells[reply.done :], flight.nbytes - known
        if rest:
            left, behind = self._codec.size(cells[whole]), left - self._codec.size(cells[whole])
            self._returned.append(_Flight(place + 1, rest, behind, flight.attempt))
            self._sort_returned()
        if begun is None:
            begun = _Open(_Flight(place, [cells[whole]], left, flight.attempt, flight.known), reply.worker)
        begun.flight.known += len(piece.items)
        begun.waiting += 1
        begun.asked = False
        self._open[place] = begun

    def _marks(self, values: list[object]) -> Sequence[int] | None:
        """Take off how many values each item has, where some may have been dropped."""
        return read_marks(cast("str", values.pop(0))) if self._marked and values else None

    def _whole(self, flight: _Flight, values: list[object], bad: int, marks: Sequence[int] | None, reply: Reply) -> int:
        """Drop what could not be loaded and all behind it; returns how many items are whole."""
        stride, reason = len(self._results), reason_of(values[bad])
        ends = [*itertools.accumulate([stride] * reply.done if marks is None else marks)]
        place = bisect.bisect_right(ends, bad)
        part = place >= reply.done
        # What is wrong with a part is said of its last item.
        position = reply.done - 1 if part else place
        before = ends[position - 1] if position > 0 else 0
        step = self._steps[-1] if part else self._results[bad - before]
        del values[before:]
        error = TransferError(f"a result of task '{step.function.name}' cannot be loaded in the coordinator: {reason}")
        self._fail(flight, position, error, reply._replace(step=step.number), "")
        return position

    def _fail(self, flight: _Flight, position: int, error: BaseException, reply: Reply, trace: str) -> None:
        number = reply.step if reply.step >= 0 else self._steps[-1].number
        step = next((step for step in self._steps if step.number == number), self._steps[-1])
        attempt = max(flight.attempt, reply.attempt, attempts_of(step.function, error))
        item, kept = self._shown(flight.cells[position])
        place, index = flight.first + position, self._source.index_of(flight.first + position)
        facts = Failure(step.function.name, number, index, item, attempt, reply.worker, reply.exitcode, trace, kept)
        self._verdict.record(place, blame(error, facts), time.monotonic(), leg=self._leg)

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

    def _overdue(self, flight: _Flight, reply: Reply) -> None:
        """One item took too long; the others in the batch are innocent, and results before it are gone."""
        place, done = flight.first + reply.done, reply.done
        function = next(step.function for step in self._steps if step.number == reply.step)
        spent = spent_on(reply, function)
        if spent is None:
            self._fail(flight, done, overdue(function, reply), reply, "")
        # Of a result that came in pieces the item is alone.
        late, at_it = with_spent(flight.spent, spent), flight.cells[done : done + 1]
        parts = [
            _Flight(flight.first, flight.cells[:done], 0, flight.attempt),
            _Flight(place, at_it, 0, flight.attempt, flight.known, late),
            _Flight(place + 1, flight.cells[done + 1 :], 0, flight.attempt),
        ]
        # After an error that ends the run only what is before it matters.
        self._give_back(parts[:1] if spent is None else parts)

    def _give_back(self, parts: Sequence[_Flight]) -> None:
        """The parts of a batch that was under way go out again, each by itself."""
        parts = [part for part in parts if part.cells]
        self._window.split(len(parts))
        for part in parts:
            part.nbytes = self._codec.weigh(part.cells)
        self._returned.extend(parts)
        self._sort_returned()

    def _lost(self, flight: _Flight, reply: Reply) -> None:
        """A worker died: what it had not begun goes out as it was, what it may have begun one by one."""
        if not reply.started:
            self._returned.append(flight)
            self._sort_returned()
        elif (spent := self._condemned(flight, reply)) is not None:
            self._give_back([_Flight(flight.first, flight.cells, 0, spent=with_spent(flight.spent, spent))])
        elif flight.attempt > self._retries or not all(step.function.retry_on_crash for step in self._steps):
            names = " -> ".join(step.function.name for step in self._steps)
            first, last = (self._source.index_of(flight.first + each) for each in (0, len(flight.cells) - 1))
            what = f"item {first}" if last == first else f"items {first} to {last}"
            self._fail(flight, 0, died(names, what, reply, flight.attempt), reply, "")
        else:
            singly, again = enumerate(flight.cells, flight.first), flight.attempt + 1
            self._give_back([_Flight(place, [cell], 0, again, flight.known, flight.spent) for place, cell in singly])

    def _sort_returned(self) -> None:
        self._returned = deque(sorted(self._returned, key=lambda each: each.first))

    def _condemned(self, flight: _Flight, reply: Reply) -> Spent | None:
        """That the item has failed for good, where its last start is over and the step at which it was goes on."""
        function = next((step.function for step in self._steps if step.number == reply.step), None)
        if function is None or flight.attempt <= max(1, self._retries) or function.on_error == "raise":
            return None
        told = str(died(function.name, f"item {self._source.index_of(flight.first)}", reply, flight.attempt))
        return Spent(reply.step, flight.attempt, told, died=True)
