"""Batches under way: packed, sent, answered, and sent again when their worker died."""

from __future__ import annotations

import bisect
import itertools
import signal
import time
from collections import deque
from collections.abc import Sequence
from functools import partial
from typing import cast

from daglite.exceptions import ExecutionError, Failure, TaskTimeoutError, TransferError, WorkerDiedError
from daglite.functions import Function
from daglite.runtime.batch import Batcher
from daglite.runtime.board import Board
from daglite.runtime.chain import BoundStep
from daglite.runtime.codec import ItemCodec
from daglite.runtime.executor import Reply
from daglite.runtime.failures import blame, short_repr
from daglite.runtime.merge import Entry, Merge
from daglite.runtime.source import Source
from daglite.runtime.spread import More, Piece, Skip
from daglite.runtime.travel.cells import read_marks, reason_of
from daglite.runtime.verdict import Verdict
from daglite.runtime.window import Window

__all__ = ["Shipping", "died", "overdue"]

# Results that come in pieces: so many at a time for each worker, and pieces of one that may wait to go on.
_OPEN_PER_WORKER = 2
_MOST_WAITING = 4
# About what a piece takes.
_PIECE_BYTES = 256 * 1024


class _Flight:
    """A batch under way: kept until it is answered, because its worker may die. `attempt` counts starts from 1.

    Of an item whose result comes in pieces `known` counts what has come; see `spread`.
    """

    __slots__ = ("attempt", "cells", "first", "known", "nbytes")

    def __init__(self, first: int, cells: Sequence[object], nbytes: int, attempt: int = 1, known: int = 0) -> None:
        self.first = first
        self.cells = cells
        self.nbytes = nbytes
        self.attempt = attempt
        self.known = known


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
        self._marked = any(step.filters for step in steps) and not self._folds
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
        return one.waiting == 0 or (one.waiting < _MOST_WAITING and self._window.left() > _PIECE_BYTES)

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
        answered = partial(self._answered, flight)
        self._board.submit(self._program, flight.first, count, segments, answered, light=self._batcher.light)

    def _launch(self, flight: _Flight) -> None:
        """Send once more what a dead worker left."""
        self._flights.add(flight)
        cells = [self._codec.capture(Skip(flight.known)), *flight.cells] if flight.known else flight.cells
        segments, answered = self._codec.pack(cells), partial(self._answered, flight)
        if flight.attempt == 1:
            self._board.submit(self._program, flight.first, len(flight.cells), segments, answered)
            self._board.session.flush()
        else:
            # Under suspicion of killing its worker: it gets one of its own, so that nobody else is blamed.
            self._board.queue(self._program, "batch", segments, answered, first=flight.first)

    def _resume(self, one: _Open) -> None:
        """Ask for the next piece of a result."""
        one.asked = True
        flight = one.flight
        self._flights.add(flight)
        segments = self._codec.pack([self._codec.capture(More())])
        self._board.resume(self._program, flight.first, segments, partial(self._answered, flight), one.worker)

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
            self._merge.add(Entry(flight.first, reply.done, values, nbytes, marks))
            return
        count = self._whole(flight, values, bad if marks is None else bad - 1, marks, reply)
        self._merge.add(Entry(flight.first, count, values, nbytes, None if marks is None else marks[:count]))

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
        if whole:
            self._merge.add(Entry(flight.first, whole, values, each * whole, None if marks is None else marks[:whole]))
        self._merge.add_part(Entry(place, 0, [self._source.index_of(place), piece.items], nbytes - each * whole))
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
        own = isinstance(error, Exception) and not isinstance(error, ExecutionError)
        attempt = max(flight.attempt, step.function.retries + 1 if own else 1)
        item = self._shown(flight.cells[position])
        place, index = flight.first + position, self._source.index_of(flight.first + position)
        facts = Failure(step.function.name, number, index, item, attempt, reply.worker, reply.exitcode, trace)
        self._verdict.record(place, blame(error, facts), time.monotonic(), leg=self._leg)

    def _shown(self, cell: object) -> str:
        (loaded,), bad = self._codec.unpack(self._codec.pack([cell]))
        return short_repr(loaded) if bad is None else "an item that cannot be loaded"

    def _overdue(self, flight: _Flight, reply: Reply) -> None:
        """One item took too long; those before it in the batch are innocent, and their results are gone."""
        step = next(step for step in self._steps if step.number == reply.step)
        self._fail(flight, reply.done, overdue(step.function, reply), reply, "")
        if reply.done:
            self._launch(_Flight(flight.first, flight.cells[: reply.done], flight.nbytes, flight.attempt))

    def _lost(self, flight: _Flight, reply: Reply) -> None:
        """A worker died: what it had not begun goes out as it was, what it may have begun one by one."""
        if not reply.started:
            self._returned.append(flight)
            self._sort_returned()
        elif flight.attempt > self._retries or not all(step.function.retry_on_crash for step in self._steps):
            names = " -> ".join(step.function.name for step in self._steps)
            first, last = (self._source.index_of(flight.first + each) for each in (0, len(flight.cells) - 1))
            what = f"item {first}" if last == first else f"items {first} to {last}"
            self._fail(flight, 0, died(names, what, reply, flight.attempt), reply, "")
        else:
            self._window.split(len(flight.cells))
            for position, cell in enumerate(flight.cells):
                nbytes, known = self._codec.size(cell), flight.known
                self._returned.append(_Flight(flight.first + position, [cell], nbytes, flight.attempt + 1, known))
            self._sort_returned()

    def _sort_returned(self) -> None:
        self._returned = deque(sorted(self._returned, key=lambda each: each.first))


def overdue(function: Function, reply: Reply) -> TaskTimeoutError:
    """The error for a call that took longer than its task allows."""
    what = reply.hint or "its worker was killed"
    return TaskTimeoutError(f"task '{function.name}' took longer than its `timeout` of {function.timeout:g} s; {what}")


def died(task: str, what: str, reply: Reply, attempt: int) -> WorkerDiedError:
    """The error for work whose worker ended under it too often."""
    times = "once" if attempt == 1 else f"{attempt} times"
    hint = f"; {reply.hint}" if reply.hint else ""
    return WorkerDiedError(
        f"the worker ended ({_exit_text(reply.exitcode)}) while it ran task '{task}' on {what}; started {times}{hint}"
    )


def _exit_text(exitcode: int | None) -> str:
    if exitcode is None:
        return "exit code unknown"
    if exitcode >= 0:
        return f"exit code {exitcode}"
    try:
        return f"signal {signal.Signals(-exitcode).name}"
    except ValueError:
        return f"signal {-exitcode}"
