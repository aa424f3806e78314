"""Batches under way: packed, sent and answered; what becomes of them without an answer is a matter of `attempts`."""

from __future__ import annotations

import bisect
import itertools
from collections.abc import Sequence
from functools import partial
from typing import cast

from daglite.exceptions import TransferError
from daglite.runtime.dataflow.batching import BatchSizer
from daglite.runtime.dataflow.failure_policy import FailurePolicy
from daglite.runtime.dataflow.flow_control import FlowControl
from daglite.runtime.dataflow.in_flight import InFlightBatch, OpenResult, OpenResults
from daglite.runtime.dataflow.redelivery import RedeliveryQueue
from daglite.runtime.dataflow.reorder_buffer import BatchResult, ReorderBuffer
from daglite.runtime.dataflow.source import Source
from daglite.runtime.dataflow.tree_reduce import RemotePartial, TreeReducer
from daglite.runtime.engines.worker_queues import WorkerQueue, new_seq
from daglite.runtime.kernel.chunked_results import ContinueResult, ResultChunk, SkipItems
from daglite.runtime.kernel.retry import ItemFailure
from daglite.runtime.kernel.steps import BoundStep
from daglite.runtime.kernel.work import BatchContext, WorkItem, WorkResult
from daglite.runtime.serialization.batch_format import read_marks, reason_of
from daglite.runtime.serialization.codec import ItemCodec


class Dispatcher:
    """Sends cells as batches over the board; results go into the merge, errors into the verdict."""

    def __init__(
        self,
        *,
        source: Source,
        worker_queue: WorkerQueue,
        codec: ItemCodec,
        program: int,
        steps: Sequence[BoundStep],
        window: FlowControl,
        batch_sizer: BatchSizer,
        merge: ReorderBuffer[list[object]],
        failure_policy: FailurePolicy,
        retries: int,
        executor: int = 0,
        tree_reducer: TreeReducer | None = None,
    ) -> None:
        """`executor` is its number on the route; `tree_reducer` takes parts that stay with the workers."""
        # What came and is to be sent, behind cells that were: while it is asked, the source appends on its own thread
        # and counts them, so nothing is taken off before it is asked again.
        self._cells: list[object] = []
        self._taken = 0
        self._source = source
        self._worker_queue = worker_queue
        self._codec = codec
        self._program = program
        self._steps = steps
        self._folds = steps[-1].starts is not None
        self._marked = any(step.drops for step in steps) and not self._folds
        # The steps whose results come back for each item; where workers fold, one part of the whole batch besides.
        self._results = [step for step in steps if step.tapped] + ([] if self._folds else [steps[-1]])
        self._window = window
        self._redelivery = RedeliveryQueue(
            source, steps, codec, window, failure_policy, retries=retries, executor=executor
        )
        self._opened = OpenResults(worker_queue.engine.workers, window)
        self._batch_sizer = batch_sizer
        self._merge = merge
        self._failure_policy = failure_policy
        self._executor = executor
        self._tree_reducer = tree_reducer
        if tree_reducer is not None:
            tree_reducer.send_again = self._redelivery.restore_partials
        self._retired = False
        self._sent = source.count
        self._flights: set[InFlightBatch] = set()

    def open_batch(self) -> list[object]:
        """Where the next items go; the source has not been asked for them yet."""
        if self._taken:
            del self._cells[: self._taken]
            self._taken = 0
        return self._cells

    def lowest(self) -> int | None:
        """The index of the first item that is under way or waits to be sent."""
        waiting = [*self._opened.begun, *(flight.first for flight in (*self._flights, *self._redelivery.waiting))]
        return min([*waiting, self._sent] if self._left() else waiting, default=None)

    def busy(self) -> bool:
        """Whether anything is under way or waits to be sent."""
        return bool(self._flights) or self.unsent()

    def unsent(self) -> bool:
        """Whether anything waits to be sent."""
        return len(self._cells) > self._taken or bool(self._redelivery.waiting or self._opened.begun)

    def wanted(self) -> int:
        """How many more items the workers could be given now."""
        if self._tree_reducer is not None and self._tree_reducer.crowded:
            return 0
        return max(0, self._worker_queue.credits() * self._batch_sizer.size - self._left())

    def dispatch(self, *, hurry: bool) -> None:
        """Send full batches; with `hurry`, or when a worker is idle, also one that is not full."""
        if self._retired or not self.unsent():
            return
        worker_queue, again, left = self._worker_queue, self._redelivery, self._left()
        if self._opened.begun:
            for one in self._opened.due():
                if self._wants(one.flight.first):
                    self._resume(one)
        while again.waiting and worker_queue.credits() > 0 and self._may_begin(again.waiting[0].first):
            self._launch(again.take(worker_queue.engine.max_items()))
        if again.waiting or not self._may_begin(self._sent):
            worker_queue.engine.flush()
            return
        while (
            left
            and worker_queue.credits() > 0
            and (left >= self._batch_sizer.size or hurry or worker_queue.engine.has_idle_worker())
        ):
            self._launch_batch()
            left = self._left()
        worker_queue.engine.flush()

    def passed_on(self, place: int) -> None:
        """A piece of the result of this item has gone on."""
        self._opened.passed_on(place)

    def _may_begin(self, place: int) -> bool:
        """Whether an item is wanted now."""
        return (not self._opened.begun or self._opened.may_begin(place)) and (
            self._failure_policy.error is None or self._wants(place)
        )

    def retire(self) -> None:
        """Nobody wants what is under way: its answers are not taken in, and nothing is sent again."""
        self._retired = True
        self._drop(0, len(self._cells))
        self._redelivery.waiting.clear()
        self._opened.begun.clear()

    def _wants(self, index: int) -> bool:
        return self._failure_policy.wants(index, executor=self._executor)

    def _size(self) -> int:
        """Items in the next batch: never more than its worker may still take."""
        most = self._worker_queue.engine.max_items()
        return self._batch_sizer.size if most is None else min(self._batch_sizer.size, most)

    def _left(self) -> int:
        """How many items wait to be sent."""
        return len(self._cells) - self._taken

    def _drop(self, first: int, count: int) -> None:
        """So many cells from there on are not needed here any more; there are as many as before."""
        self._taken = first + count
        if not self._source.plain:
            self._cells[first : first + count] = [None] * count

    def _launch_batch(self) -> None:
        """Send what waits, as much as a batch may hold."""
        taken = self._taken
        cells = self._cells[taken : taken + self._size()]
        plain = self._source.plain
        segments = self._codec.pack(cells, plain=plain)
        nbytes = self._codec.measure(segments)
        while nbytes > self._worker_queue.engine.batch_policy.most_bytes and len(cells) > 1:
            # Large items after small ones: half of them wait for the next batch.
            del cells[len(cells) // 2 :]
            segments = self._codec.pack(cells)
            nbytes = self._codec.measure(segments)
        count = len(cells)
        self._drop(taken, count)
        flight = InFlightBatch(self._sent, cells, nbytes)
        self._sent += count
        self._window.send(count, nbytes, 0 if plain else self._source.weigh(cells))
        self._flights.add(flight)
        notes = None if self._source.indices is None else self._notes(flight)
        light, keep = self._batch_sizer.light, None if self._tree_reducer is None else self._tree_reducer.keep
        work_item = WorkItem(
            new_seq(), self._program, "batch", segments, count, flight.first, light=light, notes=notes, keep=keep
        )
        self._worker_queue.submit(work_item, partial(self._answered, flight))

    @property
    def _keep(self) -> int | None:
        """From how many bytes on a part stays with its worker."""
        return None if self._tree_reducer is None else self._tree_reducer.keep

    def _notes(self, flight: InFlightBatch) -> BatchContext | None:
        """What the worker must know of a batch besides its items."""
        indices, quarantined = self._source.indices, flight.attempt > 1
        if indices is None and not flight.failed_attempts and not quarantined:
            return None
        places = range(flight.first, flight.first + len(flight.cells))
        return BatchContext(
            None if indices is None else [indices[place] for place in places], flight.failed_attempts, quarantined
        )

    def _launch(self, flight: InFlightBatch) -> None:
        """Send once more what a dead worker left."""
        self._flights.add(flight)
        cells = [self._codec.capture(SkipItems(flight.known)), *flight.cells] if flight.known else flight.cells
        # Under suspicion of killing its worker: it gets one of its own, so that nobody else is blamed.
        exclusive = flight.attempt > 1 or bool(flight.failed_attempts)
        work_item = WorkItem(
            new_seq(),
            self._program,
            "batch",
            self._codec.pack(cells),
            len(flight.cells),
            flight.first,
            exclusive,
            notes=self._notes(flight),
            keep=self._keep,
        )
        if exclusive:
            self._worker_queue.submit_first(work_item, partial(self._answered, flight))
        else:
            self._worker_queue.submit(work_item, partial(self._answered, flight))
            self._worker_queue.engine.flush()

    def _resume(self, one: OpenResult) -> None:
        """Ask for the next piece of a result."""
        one.asked = True
        flight = one.flight
        self._flights.add(flight)
        segments = self._codec.pack([self._codec.capture(ContinueResult())])
        first, notes = flight.first, self._notes(flight)
        work_item = WorkItem(new_seq(), self._program, "batch", segments, first=first, worker=one.worker, notes=notes)
        self._worker_queue.submit(work_item, partial(self._answered, flight))

    def _answered(self, flight: InFlightBatch, work_result: WorkResult) -> None:
        self._flights.remove(flight)
        if self._retired:
            return
        begun = self._opened.begun.pop(flight.first, None) if self._opened.begun else None
        if work_result.kind in ("lost", "overdue"):
            self._redelivery.redeliver(flight, work_result)
            return
        tree_reducer = self._tree_reducer
        if tree_reducer is not None and tree_reducer.lacks(flight.first):
            self._made_again(flight, work_result, tree_reducer)
            return
        nbytes = self._codec.measure(work_result.segments)
        values, bad = self._codec.unpack(work_result.segments)
        if values and type(values[-1]) is ResultChunk and bad is None:
            self._came_in_part(flight, begun, work_result, values, nbytes)
            return
        # Of a part that stays with its worker the items are kept, should that one die.
        self._window.arrive(len(flight.cells), flight.nbytes if work_result.held is None else 0, nbytes)
        # A part is as large for few items as for many: a smaller batch would not make it cheaper.
        self._batch_sizer.observe(work_result.done, work_result.seconds, flight.nbytes + (0 if self._folds else nbytes))
        if work_result.error is not None:
            error, trace = work_result.error
            self._redelivery.fail(flight, work_result.done, error, work_result, trace)
        marks = self._marks(values) if self._marked else None
        if tree_reducer is not None and work_result.held is not None:
            part = RemotePartial(work_result.held, flight.first, flight.cells, flight.nbytes)
            values.append(tree_reducer.stay(part))
        if bad is None:
            self._merge.add(
                BatchResult(
                    flight.first, work_result.done, values, nbytes, marks, self._item_failures(flight, work_result)
                )
            )
            return
        count = self._whole(flight, values, bad if marks is None else bad - 1, marks, work_result)
        marks = None if marks is None else marks[:count]
        item_failures = [each for each in self._item_failures(flight, work_result) if each.place < flight.first + count]
        self._merge.add(BatchResult(flight.first, count, values, nbytes, marks, item_failures))

    def _made_again(self, flight: InFlightBatch, work_result: WorkResult, tree_reducer: TreeReducer) -> None:
        """A part that was gone is there again; everything else that came of its items has gone on long ago."""
        self._window.arrive(0, 0, 0)
        if work_result.error is not None:
            error, trace = work_result.error
            self._redelivery.fail(flight, work_result.done, error, work_result, trace)
            return
        tree_reducer.restore(flight.first, len(flight.cells), work_result.held)

    def _item_failures(self, flight: InFlightBatch, work_result: WorkResult) -> Sequence[ItemFailure]:
        """What failed in a batch; of an item that began again to give the rest of its result it is known."""
        return () if flight.known else work_result.item_failures

    def _came_in_part(
        self,
        flight: InFlightBatch,
        begun: OpenResult | None,
        work_result: WorkResult,
        values: list[object],
        nbytes: int,
    ) -> None:
        """A batch ended with the first piece of an item's result; or one more piece of it came."""
        piece = cast("ResultChunk", values.pop())
        whole = work_result.done - 1
        place, cells = flight.first + whole, flight.cells
        marks = self._marks(values) if self._marked else None
        each, known = nbytes // work_result.done, self._codec.weigh(cells[:whole])
        self._window.arrive(whole, known, nbytes)
        self._batch_sizer.observe(work_result.done, work_result.seconds, flight.nbytes + nbytes)
        item_failures = self._item_failures(flight, work_result)
        if whole:
            marks, before = (
                None if marks is None else marks[:whole],
                [one for one in item_failures if one.place < place],
            )
            self._merge.add(BatchResult(flight.first, whole, values, each * whole, marks, before))
            item_failures = [one for one in item_failures if one.place == place]
        part: list[object] = [self._source.index_of(place), piece.items]
        self._merge.add_part(BatchResult(place, 0, part, nbytes - each * whole, None, item_failures))
        rest, left = cells[work_result.done :], flight.nbytes - known
        if rest:
            left, behind = self._codec.size(cells[whole]), left - self._codec.size(cells[whole])
            self._redelivery.add(InFlightBatch(place + 1, rest, behind, flight.attempt))
        if begun is None:
            begun = OpenResult(
                InFlightBatch(place, [cells[whole]], left, flight.attempt, flight.known), work_result.worker
            )
        begun.came(len(piece.items))
        self._opened.begun[place] = begun

    def _marks(self, values: list[object]) -> Sequence[int] | None:
        """Take off how many values each item has, as some may have been dropped."""
        return read_marks(cast("str", values.pop(0))) if values else None

    def _whole(
        self,
        flight: InFlightBatch,
        values: list[object],
        bad: int,
        marks: Sequence[int] | None,
        work_result: WorkResult,
    ) -> int:
        """Drop what could not be loaded and all behind it; returns how many items are whole."""
        stride, reason = len(self._results), reason_of(values[bad])
        ends = [*itertools.accumulate([stride] * work_result.done if marks is None else marks)]
        place = bisect.bisect_right(ends, bad)
        part = place >= work_result.done
        # What is wrong with a part is said of its last item.
        position = work_result.done - 1 if part else place
        before = ends[position - 1] if position > 0 else 0
        step = self._steps[-1] if part else self._results[bad - before]
        del values[before:]
        error = TransferError(f"a result of task '{step.function.name}' cannot be loaded in the coordinator: {reason}")
        self._redelivery.fail(flight, position, error, work_result._replace(step=step.number))
        return position
