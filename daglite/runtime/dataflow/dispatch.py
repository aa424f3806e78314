"""The dispatcher: sends the items of a segment to workers in batches, and takes in the results.

source --items--> batches --worker queue--> workers --results--> reorder buffer
                     ^                         |
                     +------ redelivery <------+   a batch whose worker died, or whose call exceeded its time limit
"""

from __future__ import annotations

import bisect
import itertools
from collections.abc import Sequence
from functools import partial
from typing import cast

from daglite.runtime.dataflow.batching import BatchSizer
from daglite.runtime.dataflow.in_flight import InFlightBatch, OpenResult, OpenResults, SegmentParts
from daglite.runtime.dataflow.redelivery import RedeliveryQueue
from daglite.runtime.dataflow.reorder_buffer import BatchResult
from daglite.runtime.dataflow.tree_reduce import RemotePartial, TreeReducer
from daglite.runtime.engines.worker_queues import new_seq
from daglite.runtime.kernel.batch import unloadable_result
from daglite.runtime.kernel.chunked_results import ContinueResult, ResultChunk, SkipItems
from daglite.runtime.kernel.retry import ItemFailure
from daglite.runtime.kernel.work import BatchContext, WorkItem, WorkResult
from daglite.runtime.serialization.batch_format import decode_counts
from daglite.runtime.serialization.codec import Packed


class Dispatcher:
    """Sends batches to the worker queue; passes results to the reorder buffer and errors to the failure policy."""

    def __init__(self, parts: SegmentParts, batch_sizer: BatchSizer, tree_reducer: TreeReducer | None) -> None:
        """`tree_reducer` keeps partials on the workers.

        Raises `TransferError` if the steps cannot be sent to a worker.
        """
        # Items to send, behind `_taken` items that were sent. While the source is pulled it appends here on its own
        # thread and counts by the length, so sent items are only removed before the next pull.
        self._items: list[object] = []
        self._taken = 0
        self._source = parts.source
        self._worker_queue = parts.worker_queue
        self._codec = parts.worker_queue.engine.codec
        self._program = parts.worker_queue.install(parts.steps)
        self._steps = steps = parts.steps
        self._folds = steps[-1].starts is not None
        self._marked = any(step.drops for step in steps) and not self._folds
        # The steps whose results return for each item. Where workers fold, one partial for the batch follows.
        self._result_steps = [step for step in steps if step.tapped] + ([] if self._folds else [steps[-1]])
        self._flow_control = parts.flow_control
        self._redelivery = RedeliveryQueue(parts)
        self._open_results = OpenResults(parts.worker_queue.engine.workers, parts.flow_control)
        self._batch_sizer = batch_sizer
        self._reorder_buffer = parts.reorder_buffer
        self._failure_policy = parts.failure_policy
        self._executor = parts.number
        self._tree_reducer = tree_reducer
        if tree_reducer is not None:
            tree_reducer.send_again = self._redelivery.restore_partials
        self._retired = False
        # The position of the next item to send.
        self._next = parts.source.count
        self._in_flight: set[InFlightBatch] = set()

    def open_batch(self) -> list[object]:
        """Return the list to which the source appends its next items; call it before each pull."""
        if self._taken:
            del self._items[: self._taken]
            self._taken = 0
        return self._items

    def lowest(self) -> int | None:
        """Return the position of the first item that is in flight or waits to be sent."""
        batches = *self._in_flight, *self._redelivery.waiting
        places = [*self._open_results.begun, *(batch.first for batch in batches)]
        return min([*places, self._next] if self._unsent_items() else places, default=None)

    def busy(self) -> bool:
        """Return whether anything is in flight or waits to be sent."""
        return bool(self._in_flight) or self.unsent()

    def unsent(self) -> bool:
        """Return whether anything waits to be sent."""
        return len(self._items) > self._taken or bool(self._redelivery.waiting or self._open_results.begun)

    def wanted(self) -> int:
        """Return how many more items the workers could receive now."""
        if self._tree_reducer is not None and self._tree_reducer.crowded:
            return 0
        return max(0, self._worker_queue.credits() * self._batch_sizer.size - self._unsent_items())

    def dispatch(self, *, hurry: bool) -> None:
        """Send full batches; with `hurry`, or while a worker is idle, also one that is not full."""
        if self._retired or not self.unsent():
            return
        worker_queue, redelivery, unsent = self._worker_queue, self._redelivery, self._unsent_items()
        if self._open_results.begun:
            for open_result in self._open_results.due():
                if self._failure_policy.wants(open_result.batch.first, executor=self._executor):
                    self._resume(open_result)
        while redelivery.waiting and worker_queue.credits() > 0 and self._may_begin(redelivery.waiting[0].first):
            self._send_again(redelivery.take(worker_queue.engine.max_items()))
            worker_queue.engine.flush()
        if redelivery.waiting or not self._may_begin(self._next):
            worker_queue.engine.flush()
            return
        while (
            unsent
            and worker_queue.credits() > 0
            and (unsent >= self._batch_sizer.size or hurry or worker_queue.engine.has_idle_worker())
        ):
            self._send_batch()
            unsent = self._unsent_items()
        worker_queue.engine.flush()

    def passed_on(self, place: int) -> None:
        """Note that a result chunk of this item was taken by the next segment."""
        self._open_results.passed_on(place)

    def retire(self) -> None:
        """Drop all items: results in flight are ignored, and nothing is sent again."""
        self._retired = True
        self._take(0, len(self._items))
        self._redelivery.waiting.clear()
        self._open_results.begun.clear()

    def _may_begin(self, place: int) -> bool:
        """Return whether the item at this position may be sent now."""
        return (not self._open_results.begun or self._open_results.may_begin(place)) and (
            self._failure_policy.error is None or self._failure_policy.wants(place, executor=self._executor)
        )

    def _unsent_items(self) -> int:
        return len(self._items) - self._taken

    def _take(self, first: int, count: int) -> None:
        """Drop the references to these items; the length of the list stays as it is."""
        self._taken = first + count
        if not self._source.plain:
            self._items[first : first + count] = [None] * count

    def _send_batch(self) -> None:
        """Send the next items, as many as a batch may hold and its worker may still take."""
        taken, engine = self._taken, self._worker_queue.engine
        most = engine.max_items()
        size = self._batch_sizer.size if most is None else min(self._batch_sizer.size, most)
        items = self._items[taken : taken + size]
        plain = self._source.plain
        payload = self._codec.pack(items, plain=plain)
        nbytes = self._codec.payload_size(payload)
        while nbytes > engine.batch_policy.most_bytes and len(items) > 1:
            # Large items after small ones: half of them wait for the next batch.
            del items[len(items) // 2 :]
            payload = self._codec.pack(items)
            nbytes = self._codec.payload_size(payload)
        count = len(items)
        self._take(taken, count)
        batch = InFlightBatch(self._next, items, nbytes)
        self._next += count
        self._flow_control.send(count, nbytes, 0 if plain else self._source.counted_bytes(items))
        self._submit(batch, payload, light=self._batch_sizer.light)

    def _send_again(self, batch: InFlightBatch) -> None:
        """Send what a dead worker has left."""
        skip = [self._codec.serialize(SkipItems(batch.known))] if batch.known else []
        self._submit(batch, self._codec.pack([*skip, *batch.items]))

    def _submit(self, batch: InFlightBatch, payload: Packed, *, light: bool = False) -> None:
        self._in_flight.add(batch)
        # In quarantine: it may kill its worker, so it gets one of its own and no other batch is blamed.
        exclusive = batch.attempt > 1 or bool(batch.failed_attempts)
        work_item = WorkItem(
            new_seq(),
            self._program,
            "batch",
            payload,
            len(batch.items),
            batch.first,
            exclusive,
            light,
            None,
            self._context(batch) if exclusive or self._source.indices is not None else None,
            None if self._tree_reducer is None else self._tree_reducer.threshold,
        )
        submit = self._worker_queue.submit_first if exclusive else self._worker_queue.submit
        submit(work_item, partial(self._on_result, batch))

    def _resume(self, open_result: OpenResult) -> None:
        """Ask for the next chunk of a result."""
        open_result.requested = True
        batch = open_result.batch
        self._in_flight.add(batch)
        payload = self._codec.pack([self._codec.serialize(ContinueResult())])
        first, worker, context = batch.first, open_result.worker, self._context(batch)
        work_item = WorkItem(
            new_seq(), self._program, "batch", payload, first_index=first, worker=worker, context=context
        )
        self._worker_queue.submit(work_item, partial(self._on_result, batch))

    def _context(self, batch: InFlightBatch) -> BatchContext | None:
        """Return what a worker must know about a batch besides its items."""
        indices, quarantined = self._source.indices, batch.attempt > 1
        if indices is None and not batch.failed_attempts and not quarantined:
            return None
        places = range(batch.first, batch.first + len(batch.items))
        return BatchContext(
            None if indices is None else [indices[place] for place in places], batch.failed_attempts, quarantined
        )

    def _on_result(self, batch: InFlightBatch, work_result: WorkResult) -> None:
        self._in_flight.remove(batch)
        if self._retired:
            return
        open_result = self._open_results.begun.pop(batch.first, None) if self._open_results.begun else None
        if work_result.kind in ("lost", "overdue"):
            self._redelivery.redeliver(batch, work_result)
            return
        tree_reducer = self._tree_reducer
        if tree_reducer is not None and tree_reducer.is_missing(batch.first):
            # Only the partial is needed: all other results of these items have been delivered.
            self._flow_control.arrive(0, 0, 0)
            self._report_error(batch, work_result)
            if work_result.error is None:
                tree_reducer.restore(batch.first, len(batch.items), work_result.partial)
            return
        nbytes = self._codec.payload_size(work_result.payload)
        values, bad = self._codec.unpack(work_result.payload)
        if values and type(values[-1]) is ResultChunk and bad is None:
            self._on_chunk(batch, open_result, work_result, values, nbytes)
            return
        # The items of a partial that stays on its worker are kept, as the worker may die.
        self._flow_control.arrive(len(batch.items), batch.nbytes if work_result.partial is None else 0, nbytes)
        # A partial is as large for few items as for many: a smaller batch would not make it cheaper.
        self._batch_sizer.observe(
            work_result.completed, work_result.seconds, batch.nbytes + (0 if self._folds else nbytes)
        )
        self._report_error(batch, work_result)
        marks = self._marks(values)
        if tree_reducer is not None and work_result.partial is not None:
            remote_partial = RemotePartial(work_result.partial, batch.first, batch.items, batch.nbytes)
            values.append(tree_reducer.register(remote_partial))
        count, item_failures = work_result.completed, self._item_failures(batch, work_result)
        if bad is not None:
            count = self._cut(batch, values, bad if marks is None else bad - 1, marks, work_result)
            marks = None if marks is None else marks[:count]
            item_failures = [failure for failure in item_failures if failure.place < batch.first + count]
        self._reorder_buffer.add(BatchResult(batch.first, count, values, nbytes, marks, item_failures))

    def _report_error(self, batch: InFlightBatch, work_result: WorkResult) -> None:
        if (error := work_result.error) is not None:
            self._redelivery.fail(batch, work_result.completed, error, work_result, work_result.traceback)

    def _item_failures(self, batch: InFlightBatch, work_result: WorkResult) -> Sequence[ItemFailure]:
        """Return the failures in a batch; those of an item that was begun again have been counted."""
        return () if batch.known else work_result.item_failures

    def _on_chunk(
        self,
        batch: InFlightBatch,
        open_result: OpenResult | None,
        work_result: WorkResult,
        values: list[object],
        nbytes: int,
    ) -> None:
        """Take in the results of a batch that ended with the first chunk of an item's result, or a further chunk."""
        chunk = cast("ResultChunk", values.pop())
        complete, items = work_result.completed - 1, batch.items
        place = batch.first + complete
        marks = self._marks(values)
        each, item_bytes = nbytes // work_result.completed, self._codec.total_size(items[:complete])
        self._flow_control.arrive(complete, item_bytes, nbytes)
        self._batch_sizer.observe(work_result.completed, work_result.seconds, batch.nbytes + nbytes)
        item_failures = self._item_failures(batch, work_result)
        if complete:
            marks = None if marks is None else marks[:complete]
            before = [failure for failure in item_failures if failure.place < place]
            self._reorder_buffer.add(BatchResult(batch.first, complete, values, each * complete, marks, before))
            item_failures = [failure for failure in item_failures if failure.place == place]
        value: list[object] = [self._source.index_of(place), chunk.items]
        self._reorder_buffer.add_chunk(BatchResult(place, 0, value, nbytes - each * complete, None, item_failures))
        rest, open_bytes = items[work_result.completed :], batch.nbytes - item_bytes
        if rest:
            open_bytes, rest_bytes = (
                self._codec.size_of(items[complete]),
                open_bytes - self._codec.size_of(items[complete]),
            )
            self._redelivery.add(InFlightBatch(place + 1, rest, rest_bytes, batch.attempt))
        if open_result is None:
            open_batch = InFlightBatch(place, [items[complete]], open_bytes, batch.attempt, batch.known)
            open_result = OpenResult(open_batch, work_result.worker)
        open_result.add_chunk(len(chunk.items))
        self._open_results.begun[place] = open_result

    def _marks(self, values: list[object]) -> Sequence[int] | None:
        """Remove and return how many values each item has, where steps may drop items."""
        return decode_counts(cast("str", values.pop(0))) if self._marked and values else None

    def _cut(
        self,
        batch: InFlightBatch,
        values: list[object],
        bad: int,
        marks: Sequence[int] | None,
        work_result: WorkResult,
    ) -> int:
        """Report a value that cannot be loaded, drop all from its item on, and return how many items are left."""
        stride, value = len(self._result_steps), values[bad]
        ends = [*itertools.accumulate([stride] * work_result.completed if marks is None else marks)]
        place = bisect.bisect_right(ends, bad)
        is_partial = place >= work_result.completed
        # An error of the partial is reported at its last item.
        position = work_result.completed - 1 if is_partial else place
        start = ends[position - 1] if position > 0 else 0
        step = self._steps[-1] if is_partial else self._result_steps[bad - start]
        del values[start:]
        self._redelivery.fail(batch, position, unloadable_result(step, value), work_result._replace(step=step.number))
        return position
