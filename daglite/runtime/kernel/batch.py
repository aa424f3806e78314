"""Take a batch of items through a chain of steps, inside a worker, and serialize the results."""

from __future__ import annotations

from collections.abc import Iterator
from types import FrameType
from typing import NoReturn, cast

from daglite.codegen import LineAction
from daglite.exceptions import TransferError
from daglite.runtime.kernel.bound_step import BoundStep
from daglite.runtime.kernel.chunked_results import (
    ContinueResult,
    OpenIterators,
    ResultChunk,
    SkipItems,
    first_chunk,
    next_chunk,
)
from daglite.runtime.kernel.steps import StepChain
from daglite.runtime.kernel.work import BatchContext, WorkItem
from daglite.runtime.serialization.batch_format import PLAIN, encode_counts, reason_of
from daglite.runtime.serialization.codec import ItemCodec
from daglite.task_context import CurrentCall, register_reader

_NO_CONTEXT = BatchContext()


class BatchRun:
    """One pass over a batch. `results` are the serialized results so far, of the first `completed` items.

    If the chain folds, they are the results to be saved of each item, then the partial of the whole batch. If a step
    filters, the first of them is a text that says how many of the others each item has.
    """

    def __init__(
        self, chain: StepChain, codec: ItemCodec, work_item: WorkItem, opened: OpenIterators | None = None
    ) -> None:
        """`opened` keeps the iterators of results that are sent in chunks."""
        self.results: list[object] = [""] if chain.drops else []
        # Whether all results are of `PLAIN` types.
        self.plain = True
        # The number of the step that failed.
        self.step = -1
        self.completed = 0
        self._first_index = work_item.first_index
        self._items: list[object] = []
        self._stopped = False
        self._chain = chain
        self._codec = codec
        self._counts: list[int] | None = [] if chain.drops else None
        self._context = work_item.context or _NO_CONTEXT
        self._opened = opened if chain.steps[-1].spreads else None
        self._program = work_item.program
        self._skip = 0
        # Whether the last result is a chunk, and more of it follows.
        self._more = False
        self._loop = chain.loop

    def run(self, items: list[object], bad: int | None) -> BaseException | None:
        """Take the items through, up to the `bad` one that could not be loaded.

        Return the error that ended it early, of whatever kind: it ends the run of the pipeline, never the worker.
        """
        if self._opened is not None and items:
            if type(items[0]) is ContinueResult:
                return self._continue(self._opened.take(self._program, self._first_index))
            if isinstance(items[0], SkipItems):
                self._skip = items[0].count
                del items[0]
                bad = None if bad is None else bad - 1
        loadable = self._items = items if bad is None else items[:bad]
        if self._stopped:
            loadable.clear()
        chain, context, retry_tracker = self._chain, self._context, self._chain.retry_tracker
        if context is not _NO_CONTEXT or retry_tracker.failed_attempts or retry_tracker.quarantined:
            retry_tracker.set_item_context(context.failed_attempts, quarantined=context.quarantined)
        savers = [self._save] * sum(chain.taps)
        end: tuple[object, ...] = (self.results.append, self._serialize if self._opened is None else self._spread)
        if self._counts is not None:
            end += (self._counts.append,)
        count = len(loadable)
        try:
            fold, start = chain.fold(self._first_index) if chain.folds else (end, None)
            value, self.completed = self._loop.run(
                loadable, self._first_index, start, chain.calls, savers, None, None, fold, failed=self._failed
            )
            if chain.folds and self.completed == count and bad is None:
                self._append_partial(value)
        except BaseException as error:
            return error
        finally:
            if self._counts is not None:
                self.results[0] = encode_counts(self._counts)
        if bad is None or self._more:
            return None
        self.step = self._chain.steps[0].number
        return TransferError(f"the item cannot be loaded in a worker: {reason_of(items[bad])}")

    def stop(self) -> None:
        """Take no item after the one at work; from any thread, also before `run`."""
        self._stopped = True
        self._items.clear()

    def position(self) -> int:
        """Return the position in the batch of the item at work; for code that a task of the chain has called."""
        found = self._loop.running()
        return 0 if found is None else found[1] - self._first_index

    def where(self) -> tuple[str, int | None]:
        """Return the task at work and the index of its item, ("", None) on threads that a task has started."""
        found = self._loop.running()
        return ("", None) if found is None else (self._step_at(found[0]).function.name, self._index_of(found[1]))

    def at_work(self, action: LineAction, place: int) -> CurrentCall | None:
        """Return the call that the loop of this batch makes at a line, None where it calls no task."""
        # The iterator of a result that spreads runs where its chunk is made.
        spreads = action.kind == "end" and self._chain.steps[-1].spreads
        return self._call_of(self._step_at(action), place) if spreads or action.kind == "call" else None

    def continued(self) -> CurrentCall:
        """Return the call whose result goes on."""
        return self._call_of(self._chain.steps[-1], self._first_index)

    def _call_of(self, step: BoundStep, place: int) -> CurrentCall:
        index = None if self._context.single else self._index_of(place)
        return CurrentCall(step.function.name, step.seed, step.step_id, index, place)

    def _index_of(self, place: int) -> int:
        indices = self._context.indices
        return place if indices is None else indices[place - self._first_index]

    def _save(self, index: int, value: object) -> None:
        # Serialized at once: the next task may change the value it is given.
        self.plain = False
        self.results.append(self._codec.snapshot(value))

    def _serialize(self, value: object) -> object:
        self.plain = False
        return self._codec.serialize(value)

    def _append_partial(self, value: object) -> None:
        """Append the partial of the whole batch; an error with it belongs to the last item."""
        try:
            self.results.append(value if type(value) in PLAIN else self._serialize(value))
        except TransferError as error:
            self._end_at(self.completed - 1, self._chain.steps[-1])
            raise unsendable_result(self._chain.steps[-1], error) from None

    def _continue(self, rest: Iterator[object]) -> BaseException | None:
        """Append the next chunk of a result that was begun, as the only result of this batch."""
        step = self._chain.steps[-1]
        try:
            self.results.append(self._chunk(*next_chunk(rest), self._first_index))
        except BaseException as error:
            self.step = step.number
            return unsendable_result(step, error) if isinstance(error, TransferError) else error
        finally:
            if self._counts is not None:
                self.results[0] = encode_counts([len(self.results) - 1])
        self.completed = 1
        return None

    def _spread(self, value: object) -> object:
        """Serialize a result; of one that spreads perhaps the first chunk only, with which the batch ends."""
        found, rest = first_chunk(value, self._skip)
        self._skip = 0
        if rest is None:
            return self._serialize(found)
        return self._chunk(cast("list[object]", found), rest, self._first_index + self.position())

    def _chunk(self, items: list[object], rest: Iterator[object] | None, place: int) -> object:
        if rest is None:
            return self._serialize(items)
        assert self._opened is not None
        serialized = self._serialize(ResultChunk(items))
        self._opened.keep(self._program, place, rest)
        self._more = True
        self.stop()
        return serialized

    def _failed(self, error: BaseException, action: LineAction, place: int, item: object, x: object) -> NoReturn:
        """End the batch at the step that raised, or whose result could not be serialized."""
        step = self._step_at(action)
        self._end_at(place - self._first_index, step)
        sends = action.kind == "save" or (action.kind == "end" and not self._chain.folds)
        if sends and isinstance(error, TransferError):
            raise unsendable_result(step, error) from None
        raise error

    def _step_at(self, action: LineAction) -> BoundStep:
        return self._chain.steps[-1 if action.kind == "end" else action.step]

    def _end_at(self, completed: int, step: BoundStep) -> None:
        """Note which step failed after how many items; drop what was saved of the item that failed."""
        self.completed, self.step = completed, step.number
        each = sum(self._chain.taps) + (not self._chain.folds)
        del self.results[completed * each if self._counts is None else 1 + sum(self._counts) :]


def _continued(frame: FrameType) -> CurrentCall:
    batch: BatchRun = frame.f_locals["self"]
    return batch.continued()


register_reader(BatchRun._continue, _continued)


def unsendable_result(step: BoundStep, error: TransferError) -> TransferError:
    """Return the error that a result of this step cannot be sent back."""
    return TransferError(f"the result of task '{step.function.name}' cannot be sent back: {error}")


def unloadable_result(step: BoundStep, value: object) -> TransferError:
    """Return the error that a result of this step cannot be loaded; `value` is the `Unloadable` in its place."""
    reason = reason_of(value)
    return TransferError(f"a result of task '{step.function.name}' cannot be loaded in the coordinator: {reason}")
