"""Redelivery: what happens to a batch, or a single call, whose worker died or whose call exceeded its time limit.

    lost     not begun               the same batch again
             attempts left           each item again in a batch of its own, on a worker of its own (quarantine)
             none left, `on_error`   the item again, with its failure: the step at which it died handles the error
             none left               `WorkerDiedError`
    overdue  attempts left           the items before it, the item with one attempt counted, the items after it
             none left, `on_error`   the same, and the step handles the error
             none left               `TaskTimeoutError`, and the items before it, which may fail themselves

`RedeliveryPolicy` decides; it starts nothing. `RedeliveryQueue` keeps what a stream sends again.
"""

from __future__ import annotations

import copy
import signal
import time
from collections import deque
from collections.abc import Callable, Sequence
from functools import partial
from typing import NamedTuple

from daglite.exceptions import MOST_KEPT, ExecutionError, Failure, ReplayRecord, TaskTimeoutError, WorkerDiedError
from daglite.functions import Function
from daglite.runtime.dataflow.in_flight import InFlightBatch, SegmentParts
from daglite.runtime.kernel.bound_step import BoundStep
from daglite.runtime.kernel.errors import attach_facts, attempts_of, short_repr
from daglite.runtime.kernel.retry import FailedAttempts
from daglite.runtime.kernel.work import WorkResult
from daglite.runtime.serialization.batch_format import SerializedItem


def worker_died(task: str, work: str, result: WorkResult, attempts: int) -> WorkerDiedError:
    """Return the error for `work` whose worker ended at its last attempt."""
    times = "once" if attempts == 1 else f"{attempts} times"
    hint = f"; {result.hint}" if result.hint else ""
    return WorkerDiedError(
        f"the worker ended ({_exit_text(result.exitcode)}) while it ran task '{task}' on {work}; started {times}{hint}"
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


def _timed_out(function: Function, result: WorkResult) -> TaskTimeoutError:
    hint = result.hint or "its worker was killed"
    return TaskTimeoutError(f"task '{function.name}' took longer than its `timeout` of {function.timeout:g} s; {hint}")


class Redelivery(NamedTuple):
    """A decision: the batches to send again, and the error of an item that is not tried again."""

    batches: Sequence[InFlightBatch]
    error: ExecutionError | None = None


class RedeliveryPolicy:
    """Decides what happens to a batch that came back "lost" or "overdue", and states the facts of a failure."""

    def __init__(self, steps: Sequence[BoundStep], retries: int) -> None:
        """`retries`: how often an item starts again after its worker died."""
        self.steps = steps
        self._retries = retries

    def decide(self, batch: InFlightBatch, result: WorkResult, work: Callable[[], str]) -> Redelivery:
        """Return what to send again. `work` describes the batch for an error message."""
        return self._overdue(batch, result) if result.kind == "overdue" else self._lost(batch, result, work)

    def blame(
        self,
        batch: InFlightBatch,
        error: BaseException,
        result: WorkResult,
        trace: str = "",
        *,
        index: int | None = None,
        item: str | None = None,
        kept: ReplayRecord | None = None,
    ) -> BaseException:
        """Attach the facts of the failure to an error: step, attempt, worker, and the item if there is one."""
        step = self._step(result.step) or self.steps[-1]
        attempt = max(batch.attempt, result.attempt, attempts_of(step.function, error))
        name = step.function.name
        facts = Failure(name, step.number, index, item, attempt, result.worker, result.exitcode, trace, kept)
        return attach_facts(error, facts)

    def _step(self, number: int) -> BoundStep | None:
        return next((step for step in self.steps if step.number == number), None)

    def _lost(self, batch: InFlightBatch, result: WorkResult, work: Callable[[], str]) -> Redelivery:
        if not result.started:
            return Redelivery([batch])
        # Workers report their step only in quarantine, and only steps that handle errors.
        step, attempt = self._step(result.step), batch.attempt
        if step is not None and attempt > max(1, self._retries) and step.function.on_error != "raise":
            text = str(worker_died(step.function.name, work(), result, attempt))
            failed = FailedAttempts(step.number, attempt, text, died=True)
            # Nothing of a result in chunks is skipped, so that the failure is counted.
            return Redelivery([InFlightBatch(batch.first, batch.items, 0, failed_attempts=_latest(batch, failed))])
        if attempt > self._retries or not all(step.function.retry_on_crash for step in self.steps):
            names = " -> ".join(step.function.name for step in self.steps)
            return Redelivery([], worker_died(names, work(), result, attempt))
        return Redelivery(
            [
                InFlightBatch(place, [item], 0, attempt + 1, batch.known, batch.failed_attempts)
                for place, item in enumerate(batch.items, batch.first)
            ]
        )

    def _overdue(self, batch: InFlightBatch, result: WorkResult) -> Redelivery:
        step = self._step(result.step)
        assert step is not None, "only a step of the segment has a time limit"
        function, retry, items, late = step.function, step.function.retry, batch.items, result.completed
        error = _timed_out(function, result)
        again = result.attempt <= function.retries and (retry is None or issubclass(TaskTimeoutError, retry.on))
        before = InFlightBatch(batch.first, items[:late], 0, batch.attempt)
        if not again and function.on_error == "raise":
            # After an error that ends the run only the items before it matter.
            return Redelivery([before] if late else [], error)
        failed = FailedAttempts(step.number, result.attempt, "" if again else str(error))
        place = batch.first + late
        parts = [
            before,
            InFlightBatch(place, items[late : late + 1], 0, batch.attempt, batch.known, _latest(batch, failed)),
            InFlightBatch(place + 1, items[late + 1 :], 0, batch.attempt),
        ]
        return Redelivery([part for part in parts if part.items])


def _latest(batch: InFlightBatch, failed: FailedAttempts) -> tuple[FailedAttempts, ...]:
    """Return the failed attempts at the item of a batch, only the latest of each step."""
    return (*(one for one in batch.failed_attempts if one.step != failed.step), failed)


class RedeliveryQueue:
    """The batches of one segment that are sent again, those of the first items first.

    Items that are not tried again are reported to the failure policy.
    """

    def __init__(self, parts: SegmentParts) -> None:
        self.waiting: deque[InFlightBatch] = deque()
        self._source = parts.source
        self._codec = parts.worker_queue.engine.codec
        self._flow_control = parts.flow_control
        self._failure_policy = parts.failure_policy
        self._executor = parts.number
        self._policy = RedeliveryPolicy(parts.steps, parts.retries)

    def take(self, most: int | None) -> InFlightBatch:
        """Return the next batch, of `most` items: the batch of a dead worker may be larger than other workers take."""
        batch = self.waiting.popleft()
        if most is None or len(batch.items) <= most:
            return batch
        head = InFlightBatch(batch.first, batch.items[:most], 0, batch.attempt)
        rest = InFlightBatch(batch.first + most, batch.items[most:], 0, batch.attempt)
        self._flow_control.split(2)
        self._share(batch.nbytes, (head, rest))
        self.waiting.appendleft(rest)
        return head

    def add(self, *batches: InFlightBatch) -> None:
        """Send batches again as they are."""
        self.waiting = deque(sorted([*self.waiting, *batches], key=lambda batch: batch.first))

    def restore_partials(self, leaves: Sequence[tuple[int, Sequence[object]]]) -> None:
        """Send the items of partials again that were lost with their worker: (first position, items) of each batch."""
        # They have been through flow control, which only counts the results under way: one more, and what it splits
        # into. Their bytes are those of the group for which they are made, until its result arrives.
        self._flow_control.split(2)
        self._split(0, [InFlightBatch(first, items, 0) for first, items in leaves])

    def redeliver(self, batch: InFlightBatch, result: WorkResult) -> None:
        """Send the items of a batch again that came back "lost" or "overdue", or report the one that has failed."""
        redelivery = self._policy.decide(batch, result, partial(self._describe, batch))
        if redelivery.error is not None:
            self.fail(batch, result.completed, redelivery.error, result)
        self._split(batch.nbytes, redelivery.batches)

    def fail(
        self, batch: InFlightBatch, position: int, error: BaseException, result: WorkResult, trace: str = ""
    ) -> None:
        """Report that the item at this position of a batch failed."""
        item, kept = self._replay_record(batch.items[position])
        place = batch.first + position
        index = self._source.index_of(place)
        error = self._policy.blame(batch, error, result, trace, index=index, item=item, kept=kept)
        self._failure_policy.record(place, error, time.monotonic(), executor=self._executor)

    def _describe(self, batch: InFlightBatch) -> str:
        first, last = (self._source.index_of(batch.first + each) for each in (0, len(batch.items) - 1))
        return f"item {first}" if last == first else f"items {first} to {last}"

    def _replay_record(self, item: object) -> tuple[str, ReplayRecord]:
        """Return the item as text, and as it is kept for another run of it."""
        first = self._policy.steps[0]
        (loaded,), bad = self._codec.unpack(self._codec.pack([item]))
        if bad is not None:
            return "an item that cannot be loaded", ReplayRecord(first.number, None, first.seed, "it cannot be loaded")
        shown, nbytes = short_repr(loaded), self._codec.size_of(item)
        if nbytes > MOST_KEPT:
            return shown, ReplayRecord(first.number, None, first.seed, f"its {nbytes} bytes are more than {MOST_KEPT}")
        kept = ReplayRecord(first.number, loaded, first.seed)
        # Large buffers are in memory that is shared with workers and is used again: copying pickles them.
        return shown, copy.copy(kept) if isinstance(item, SerializedItem) and item.buffers else kept

    def _split(self, nbytes: int, parts: Sequence[InFlightBatch]) -> None:
        """Send the parts of a batch again, each by itself; the batch was in flight with `nbytes`."""
        self._flow_control.split(len(parts))
        self._share(nbytes, parts)
        self.add(*parts)

    def _share(self, nbytes: int, parts: Sequence[InFlightBatch]) -> None:
        """Divide the bytes that flow control counts: parts that are weighed again would have more or fewer."""
        weights = [max(1, self._codec.total_size(part.items)) for part in parts]
        rest = sum(weights)
        for part, weight in zip(parts, weights, strict=True):
            part.nbytes = nbytes * weight // rest
            nbytes, rest = nbytes - part.nbytes, rest - weight
