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
from daglite.runtime.batch import Batcher
from daglite.runtime.board import Board
from daglite.runtime.chain import BoundStep
from daglite.runtime.codec import ItemCodec
from daglite.runtime.ended import died, known, overdue, spent_on
from daglite.runtime.executor import Notes, Reply
from daglite.runtime.failures import attempts_of, blame, short_repr
from daglite.runtime.merge import Entry, Merge
from daglite.runtime.source import Source
from daglite.runtime.travel.cells import Captured, read_marks, reason_of
from daglite.runtime.trying import Spent
from daglite.runtime.verdict import Verdict
from daglite.runtime.window import Window

__all__ = ["Shipping"]

_MOST_BYTES = 256 * 1024


class _Flight:
    """A batch under way: kept until it is answered, because its worker may die. `attempt` counts starts from 1; `spent`
    are the attempts at its only item that ended with their worker.
    """

    __slots__ = ("attempt", "cells", "first", "nbytes", "spent")

    def __init__(
        self, first: int, cells: Sequence[object], nbytes: int, attempt: int = 1, spent: tuple[Spent, ...] = ()
    ) -> None:
        self.first = first
        self.cells = cells
        self.nbytes = nbytes
        self.attempt = attempt
        self.spent = spent


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
    ) -> None:
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
        self._sent = source.count
        self._flights: set[_Flight] = set()
        self._returned: deque[_Flight] = deque()

    def lowest(self) -> int | None:
        """The index of the first item that is under way or waits to be sent."""
        waiting = [flight.first for flight in (*self._flights, *self._returned)]
        return min([*waiting, self._sent] if self.pending else waiting, default=None)

    def busy(self) -> bool:
        """Whether anything is under way or waits to be sent."""
        return bool(self._flights or self._returned or self.pending)

    def wanted(self) -> int:
        """How many more items the workers could be given now."""
        return max(0, self._board.free() * self._batcher.size - len(self.pending))

    def dispatch(self, *, hurry: bool) -> None:
        """Send full batches; with `hurry`, or when a worker is idle, also one that is not full."""
        board = self._board
        while self._returned and board.free() > 0 and self._verdict.wants(self._returned[0].first):
            self._launch(self._next_returned())
        if self._returned or not self._verdict.wants(self._sent):
            return
        while board.free() > 0:
            waiting = len(self.pending)
            if not waiting or (waiting < self._batcher.size and not hurry and not board.session.idle()):
                break
            self._launch_batch()
        board.session.flush()

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
        while nbytes > _MOST_BYTES and len(cells) > 1:
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
        known = None if indices is None else indices[flight.first : flight.first + len(flight.cells)]
        return Notes(known, flight.spent, suspect)

    def _launch(self, flight: _Flight) -> None:
        """Send once more what a dead worker left."""
        self._flights.add(flight)
        segments, answered, notes = self._codec.pack(flight.cells), partial(self._answered, flight), self._notes(flight)
        if flight.attempt == 1 and not flight.spent:
            self._board.submit(self._program, flight.first, len(flight.cells), segments, answered, notes)
            self._board.session.flush()
        else:
            # Under suspicion of killing its worker: it gets one of its own, so that nobody else is blamed.
            self._board.queue(self._program, "batch", segments, answered, first=flight.first, notes=notes)

    def _answered(self, flight: _Flight, reply: Reply) -> None:
        self._flights.remove(flight)
        if reply.kind == "lost":
            self._lost(flight, reply)
            return
        if reply.kind == "overdue":
            self._overdue(flight, reply)
            return
        nbytes = self._codec.measure(reply.segments)
        values, bad = self._codec.unpack(reply.segments)
        self._window.arrive(len(flight.cells), flight.nbytes, nbytes)
        # A part is as large for few items as for many: a smaller batch would not make it cheaper.
        self._batcher.observe(reply.done, reply.seconds, flight.nbytes + (0 if self._folds else nbytes))
        if reply.error is not None:
            error, trace = reply.error
            self._fail(flight, reply.done, error, reply, trace)
        marks = self._marks(values)
        if bad is None:
            self._merge.add(Entry(flight.first, reply.done, values, nbytes, marks, reply.mishaps))
            return
        count = self._whole(flight, values, bad if marks is None else bad - 1, marks, reply)
        marks = None if marks is None else marks[:count]
        mishaps = [each for each in reply.mishaps if each.place < flight.first + count]
        self._merge.add(Entry(flight.first, count, values, nbytes, marks, mishaps))

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
        self._verdict.record(place, blame(error, facts), time.monotonic())

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
            self._fail(flight, done, overdue(function), reply, "")
        parts = [
            _Flight(flight.first, flight.cells[:done], 0, flight.attempt),
            _Flight(place, flight.cells[done : done + 1], 0, flight.attempt, known(flight.spent, spent)),
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
        self._returned = deque(sorted([*self._returned, *parts], key=lambda each: each.first))

    def _lost(self, flight: _Flight, reply: Reply) -> None:
        """A worker died: what it had not begun goes out as it was, what it may have begun one by one."""
        if not reply.started:
            self._returned.append(flight)
        elif (spent := self._condemned(flight, reply)) is not None:
            self._give_back([_Flight(flight.first, flight.cells, 0, 1, known(flight.spent, spent))])
        elif flight.attempt > self._retries or not all(step.function.retry_on_crash for step in self._steps):
            names = " -> ".join(step.function.name for step in self._steps)
            first, last = (self._source.index_of(flight.first + each) for each in (0, len(flight.cells) - 1))
            what = f"item {first}" if last == first else f"items {first} to {last}"
            self._fail(flight, 0, died(names, what, reply, flight.attempt), reply, "")
        else:
            singly = enumerate(flight.cells, flight.first)
            self._give_back([_Flight(place, [cell], 0, flight.attempt + 1, flight.spent) for place, cell in singly])

    def _condemned(self, flight: _Flight, reply: Reply) -> Spent | None:
        """That the item has failed for good, where its last start is over and the step at which it was goes on."""
        function = next((step.function for step in self._steps if step.number == reply.step), None)
        suspect = flight.attempt > 1 and flight.attempt > self._retries
        if function is None or not suspect or function.on_error == "raise":
            return None
        what = f"item {self._source.index_of(flight.first)}"
        told = str(died(function.name, what, reply, flight.attempt))
        return Spent(reply.step, flight.attempt, told, died=True)
