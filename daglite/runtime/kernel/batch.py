"""The work inside a worker: a batch taken through a chain, a generator drained in pieces. It knows no sockets."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from functools import partial
from types import FrameType
from typing import NamedTuple, NoReturn, cast

from daglite.codegen import LineAction
from daglite.exceptions import TransferError
from daglite.runtime.kernel.chunked_results import (
    ContinueResult,
    OpenIterators,
    ResultChunk,
    SkipItems,
    first_chunk,
    next_chunk,
)
from daglite.runtime.kernel.event_loop import PrivateLoop
from daglite.runtime.kernel.retry import RetryTracker, wait_to_restart
from daglite.runtime.kernel.steps import BoundStep, StepChain, open_items
from daglite.runtime.kernel.work import BatchContext
from daglite.runtime.serialization.batch_format import PLAIN, encode_counts, reason_of
from daglite.runtime.serialization.codec import ItemCodec
from daglite.task_context import CurrentCall, register_reader

_PIECE_ITEMS = 256
_PIECE_BYTES = 256 * 1024
_PIECE_SECONDS = 0.05

_NO_NOTES = BatchContext()


class BatchRun:
    """One pass over a batch. `cells` are the results so far, `done` how many items they come from.

    Where the chain folds they are what is to be saved of each item, and behind it the part of the whole batch. Where a
    step filters, the first cell tells of each item how many of the cells behind it are its own.
    """

    def __init__(
        self,
        chain: StepChain,
        codec: ItemCodec,
        first: int,
        opened: OpenIterators | None = None,
        program: int = 0,
        notes: BatchContext | None = None,
    ) -> None:
        """`opened` keeps what is left of results that are sent in pieces, under the number of the program."""
        self.cells: list[object] = [""] if chain.marks else []
        # Whether they are all of `PLAIN` types.
        self.plain = True
        self.step = -1
        self.done = 0
        self._first = first
        self._items: list[object] = []
        self._chain = chain
        self._codec = codec
        self._marks: list[int] | None = [] if chain.marks else None
        self._notes = notes or _NO_NOTES
        self._opened = opened if chain.steps[-1].spreads else None
        self._program = program
        self._skip = 0
        # Whether the last cell is a piece of a result.
        self._more = False
        self._loop = chain.loop

    def run(self, items: list[object], bad: int | None) -> BaseException | None:
        """Take the items through, up to the `bad` one that could not be loaded; the error that ended it early, if any,
        whatever its kind: it ends the run of the pipeline, never the worker.
        """
        if self._opened is not None and items:
            if type(items[0]) is ContinueResult:
                return self._go_on(self._opened.take(self._program, self._first))
            if isinstance(items[0], SkipItems):
                self._skip = items[0].count
                del items[0]
                bad = None if bad is None else bad - 1
        whole = self._items = items if bad is None else items[:bad]
        chain, notes, trials = self._chain, self._notes, self._chain.trials
        if notes is not _NO_NOTES or trials.failed_attempts or trials.quarantined:
            trials.learn(notes.failed_attempts, quarantined=notes.quarantined)
        taps = [self._tap] * chain.taps
        end: tuple[object, ...] = (self.cells.append, self._captured if self._opened is None else self._spread)
        if self._marks is not None:
            end += (self._marks.append,)
        count = len(whole)
        try:
            fold, start = chain.fold(self._first) if chain.folds else (end, None)
            value, self.done = self._loop.run(
                whole, self._first, start, chain.functions, taps, None, None, fold, failed=self._failed
            )
            if chain.folds and self.done == count and bad is None:
                self._end_part(value)
        except BaseException as error:
            return error
        finally:
            if self._marks is not None:
                self.cells[0] = encode_counts(self._marks)
        if bad is None or self._more:
            return None
        self.step = self._chain.steps[0].number
        return TransferError(f"the item cannot be loaded in a worker: {reason_of(items[bad])}")

    def _end_part(self, value: object) -> None:
        """The part of the whole batch goes back; what is wrong with it is said of the last item."""
        try:
            self.cells.append(value if type(value) in PLAIN else self._captured(value))
        except TransferError as error:
            self._stop(self.done - 1, self._chain.steps[-1])
            raise unsendable_result(self._chain.steps[-1], error) from None

    def forget_rest(self) -> None:
        """Go no further than the item at work."""
        self._items.clear()

    def position(self) -> int:
        """Which item of the batch is at work; for code that a task of the chain has called."""
        found = self._loop.running()
        return 0 if found is None else found[1] - self._first

    def where(self) -> tuple[str, int | None]:
        """The task at work and the index of its item; nothing is known on threads of the user's own."""
        found = self._loop.running()
        return ("", None) if found is None else (self._step_at(found[0]).function.name, self._index_of(found[1]))

    def at_work(self, place: LineAction, index: int) -> CurrentCall | None:
        """What the loop of this batch is at, by its line."""
        # A result that is taken apart is made while it is taken.
        spreads = place.kind == "end" and self._chain.steps[-1].spreads
        return self._at(self._step_at(place), index) if spreads or place.kind == "call" else None

    def resumed(self) -> CurrentCall:
        """A result that was begun goes on."""
        return self._at(self._chain.steps[-1], self._first)

    def _at(self, step: BoundStep, place: int) -> CurrentCall:
        item = None if self._notes.single else self._index_of(place)
        return CurrentCall(step.function.name, step.seed, step.step_id, item, place)

    def _index_of(self, place: int) -> int:
        indices = self._notes.indices
        return place if indices is None else indices[place - self._first]

    def _tap(self, index: int, value: object) -> None:
        # Taken now: the next task may change the value it is given.
        self.plain = False
        self.cells.append(self._codec.snapshot(value))

    def _captured(self, value: object) -> object:
        self.plain = False
        return self._codec.serialize(value)

    def _go_on(self, left: Iterator[object]) -> BaseException | None:
        """The next piece of the result that was begun, as the only one of this batch."""
        step = self._chain.steps[-1]
        try:
            items, left_over = next_chunk(left)
            self.cells.append(self._piece(items, left_over, self._first))
        except BaseException as error:
            self.step = step.number
            return unsendable_result(step, error) if isinstance(error, TransferError) else error
        finally:
            if self._marks is not None:
                self.cells[0] = encode_counts([len(self.cells) - 1])
        self.done = 1
        return None

    def _spread(self, value: object) -> object:
        """The result as a cell; of one that is taken apart perhaps only a piece, with which the batch ends."""
        found, left = first_chunk(value, self._skip)
        self._skip = 0
        if left is None:
            return self._captured(found)
        return self._piece(cast("list[object]", found), left, self._first + self.position())

    def _piece(self, items: list[object], left: Iterator[object] | None, place: int) -> object:
        if left is None:
            return self._captured(items)
        assert self._opened is not None
        cell = self._captured(ResultChunk(items))
        self._opened.keep(self._program, place, left)
        self._more = True
        self.forget_rest()
        return cell

    def _failed(self, error: BaseException, place: LineAction, index: int, item: object, x: object) -> NoReturn:
        """Note how far it came; what a step or its capture raised is the step's."""
        step = self._step_at(place)
        self._stop(index - self._first, step)
        sends = place.kind == "save" or (place.kind == "end" and not self._chain.folds)
        if sends and isinstance(error, TransferError):
            raise unsendable_result(step, error) from None
        raise error

    def _step_at(self, place: LineAction) -> BoundStep:
        return self._chain.steps[-1 if place.kind == "end" else place.step]

    def _stop(self, done: int, step: BoundStep) -> None:
        """It came so far and failed at this step; what was kept of the items behind is not wanted."""
        self.done, self.step = done, step.number
        each = self._chain.taps + (not self._chain.folds)
        del self.cells[done * each if self._marks is None else 1 + sum(self._marks) :]


def _resumed(frame: FrameType) -> CurrentCall:
    run: BatchRun = frame.f_locals["self"]
    return run.resumed()


register_reader(BatchRun._go_on, _resumed)


def unsendable_result(step: BoundStep, error: TransferError) -> TransferError:
    """What is said of a result that cannot go back."""
    return TransferError(f"the result of task '{step.function.name}' cannot be sent back: {error}")


class DrainResult(NamedTuple):
    """How a generator ended: at which attempt (from 0), with which last piece, by which error if any."""

    attempt: int
    cells: list[object]
    error: BaseException | None


def drain(
    step: BoundStep,
    loop: PrivateLoop,
    codec: ItemCodec,
    send: Callable[[int, list[object]], None],
    begin: Callable[[], None],
    *,
    streamed: bool,
    trials: RetryTracker,
) -> DrainResult:
    """Drain a generator step, `send`ing the attempt and each piece but the last; `begin` is told of each attempt."""
    # With `.iter` the retries end with the first item; that is `open_items`' own business.
    attempt = 0
    while True:
        begin()
        pieces = _ChunkSender(codec, partial(send, attempt))
        error = pieces.drain(lambda: open_items(step, loop, retry=streamed))
        if error is None or streamed or not wait_to_restart(step, error, attempt + 1, trials):
            return DrainResult(attempt, pieces.cells, error)
        attempt += 1


def _drained(frame: FrameType) -> CurrentCall:
    step: BoundStep = frame.f_locals["step"]
    return CurrentCall(step.function.name, step.seed, step.step_id, None)


register_reader(drain, _drained)


class _ChunkSender:
    """The items of a generator on their way to the coordinator: captured as they come, sent in pieces."""

    def __init__(self, codec: ItemCodec, send: Callable[[list[object]], None]) -> None:
        self.cells: list[object] = []
        self._codec = codec
        self._send = send

    def drain(self, opened: Callable[[], Iterator[object]]) -> BaseException | None:
        """Drain the generator; the error that ended it, if any. What is left in `cells` then is the last piece."""
        nbytes, sent = 0, time.perf_counter()
        try:
            for item in opened():
                cell = self._codec.serialize(item)
                self.cells.append(cell)
                nbytes += self._codec.size_of(cell)
                now = time.perf_counter()
                if len(self.cells) >= _PIECE_ITEMS or nbytes >= _PIECE_BYTES or now - sent >= _PIECE_SECONDS:
                    cells, self.cells = self.cells, []
                    self._send(cells)
                    nbytes, sent = 0, now
        except BaseException as error:
            return error
        return None
