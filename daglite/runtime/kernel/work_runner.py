"""Run work items inside a worker, whichever engine it belongs to.

    work item --WorkRunner.run--> work result
        batch               its items go through the chain of steps (see `batch`)
        generate, stream    a generator is drained; full chunks are sent on the way, the rest is in the result
        combine             partials of a fold become one, in their order

An engine's worker decodes its message into a work item, and encodes the work result into its message.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from types import FrameType
from typing import TypeAlias

from daglite.exceptions import TransferError
from daglite.runtime.kernel.batch import BatchRun, unsendable_result
from daglite.runtime.kernel.bound_step import BoundStep
from daglite.runtime.kernel.chunked_results import OpenIterators, fill_chunk
from daglite.runtime.kernel.retry import wait_to_restart
from daglite.runtime.kernel.steps import StepChain, open_items
from daglite.runtime.kernel.timers import take_reading
from daglite.runtime.kernel.work import PartialRef, WorkItem, WorkResult
from daglite.runtime.serialization.batch_format import reason_of
from daglite.runtime.serialization.codec import ItemCodec, Packed
from daglite.task_context import CurrentCall, register_reader

# Serialized results, how many items they are of, a step or an attempt, the error, and a partial that stays here.
_Outcome: TypeAlias = tuple[list[object], int, int, BaseException | None, PartialRef | None]


class WorkRunner:
    """Run one work item at a time for a worker. `stop` and `where` may be called from any thread.

    `send` takes the full chunks of a generator; without it all of its items are in the result. `keep_partial` stores
    the packed partial of a fold in this worker and returns whether it did.
    """

    def __init__(
        self,
        codec: ItemCodec,
        opened: OpenIterators,
        *,
        send: Callable[[WorkResult], None] | None = None,
        keep_partial: Callable[[Packed], bool] | None = None,
    ) -> None:
        self.codec = codec
        # The identifier of the worker, in its results.
        self.worker: int | None = None
        self._opened = opened
        self._send = send
        self._keep_partial = keep_partial
        self._batch: BatchRun | None = None
        self._task = ""
        self._stopped = False

    def run(self, work_item: WorkItem, chain: StepChain) -> WorkResult:
        """Run a work item; whatever a task raises is the `error` of the result.

        Raises `LookupError` when the item continues a result of which this worker has no iterator.
        """
        started = time.perf_counter()
        plain, partial = False, None
        # A batch is taken through here, with few calls: there are many small ones.
        if work_item.kind == "batch":
            batch = self._batch = BatchRun(chain, self.codec, work_item, self._opened)
            if self._stopped:
                batch.stop()
            try:
                error = batch.run(*self.codec.unpack(work_item.payload))
            finally:
                self._batch = None
            results, completed, step, plain = batch.results, batch.completed, batch.step, batch.plain
            if chain.folds and error is None and results:
                partial = self._kept(work_item, results[-1])
                if partial is not None:
                    results.pop()
        elif work_item.kind == "combine":
            results, completed, step, error, partial = self._combine(work_item, chain)
        else:
            results, completed, step, error, partial = self._drain(work_item, chain)
        retry_tracker, timers = chain.retry_tracker, chain.timers
        seconds = time.perf_counter() - started - retry_tracker.slept()
        return WorkResult(
            work_item.seq,
            "done" if error is None else "failed",
            completed,
            step,
            seconds,
            self.codec.pack(results, plain=plain),
            self.worker,
            error=error,
            reading=take_reading(started, timers) if timers else None,
            item_failures=retry_tracker.take_item_failures() if retry_tracker.item_failures else (),
            partial=partial,
        )

    def stop(self) -> None:
        """Take no item after the one at work."""
        self._stopped = True
        if (batch := self._batch) is not None:
            batch.stop()

    def where(self) -> tuple[str, int | None]:
        """Return the name of the task at work and the index of its item, ("", None) where that is not known."""
        return (self._task, None) if (batch := self._batch) is None else batch.where()

    def position(self) -> int:
        """Return the position in its batch of the item at work; for code that a task of the chain has called."""
        return 0 if self._batch is None else self._batch.position()

    def _kept(self, work_item: WorkItem, item: object) -> PartialRef | None:
        """Store a serialized partial in this worker if it is large enough."""
        threshold, keep = work_item.partial_threshold, self._keep_partial
        if threshold is None or keep is None:
            return None
        packed = self.codec.pack([item])
        nbytes = self.codec.payload_size(packed)
        return PartialRef(work_item.seq, nbytes) if nbytes >= threshold and keep(packed) else None

    def _combine(self, work_item: WorkItem, chain: StepChain) -> _Outcome:
        step, call, value = chain.steps[0], chain.calls[0], None
        self._task = step.function.name
        try:
            for number, packed in enumerate(work_item.payload):
                # Loaded one after the other, so that only two of them are in memory as values.
                (partial,), bad = self.codec.unpack(packed)
                if bad is not None:
                    raise TransferError(f"a part of the fold cannot be loaded in a worker: {reason_of(partial)}")
                value = call((value, partial)) if number else partial
            try:
                item = self.codec.serialize(value)
            except TransferError as error:
                raise unsendable_result(step, error) from None
            kept = self._kept(work_item, item)
            return [item] if kept is None else [], 0, -1, None, kept
        except BaseException as error:
            return [], 0, step.number, error, None
        finally:
            self._task = ""

    def _drain(self, work_item: WorkItem, chain: StepChain) -> _Outcome:
        """Drain a generator, from its beginning for each attempt."""
        step, streamed = chain.steps[0], work_item.kind == "stream"
        self._task = step.function.name
        attempt = 0
        try:
            while True:
                # With `.iter` the retries end with the first item: `open_items` makes them.
                chunk, error = self._attempt(work_item.seq, attempt, step, chain, retry=streamed)
                if error is None:
                    return chunk, len(chunk), attempt, None, None
                if streamed or not wait_to_restart(step, error, attempt + 1, chain.retry_tracker):
                    return chunk, len(chunk), step.number, error, None
                if self._stopped:
                    # The work item was dismissed, its run has ended, or this is a copy of the process that a task has
                    # forked: nothing is tried again.
                    return [], 0, step.number, SystemExit(1), None
                attempt += 1
        finally:
            self._task = ""

    def _attempt(
        self, seq: int, attempt: int, step: BoundStep, chain: StepChain, *, retry: bool
    ) -> tuple[list[object], BaseException | None]:
        """Drain a generator once; return the chunk that was not sent, and the error that ended it, if any.

        Each item is serialized as soon as it is yielded, because the generator may change it afterwards.
        """
        if step.function.timeout is not None and chain.announce is not None:
            chain.announce(step.number, step.function.timeout)
        codec, send, chunk, done = self.codec, self._send, list[object](), list[object]()
        try:
            items = open_items(step, chain.event_loop, retry=retry)
            while fill_chunk(chunk, items, codec.serialize, codec.size_of):
                full, chunk = chunk, []
                if send is None:
                    done += full
                else:
                    send(WorkResult(seq, "chunk", len(full), attempt, 0.0, codec.pack(full), self.worker))
        except BaseException as error:
            return done + chunk, error
        return done + chunk, None


def _drained(frame: FrameType) -> CurrentCall:
    step: BoundStep = frame.f_locals["step"]
    return CurrentCall(step.function.name, step.seed, step.step_id, None)


register_reader(WorkRunner._attempt, _drained)
