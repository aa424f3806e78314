"""Single calls and generators on workers: they run side by side, each on a worker of its own.

send --work item--> worker --result--> done(value) | error | lost or overdue: sent again, see `redelivery`
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from daglite.runtime.dataflow.failure_policy import FailureCounter
from daglite.runtime.dataflow.in_flight import InFlightBatch
from daglite.runtime.dataflow.redelivery import RedeliveryPolicy
from daglite.runtime.dataflow.saves import Saver
from daglite.runtime.engines.worker_queues import WorkerQueue, new_seq
from daglite.runtime.kernel.batch import unloadable_result
from daglite.runtime.kernel.bound_step import BoundStep
from daglite.runtime.kernel.work import BatchContext, WorkItem, WorkKind, WorkResult


class SingleCalls:
    """The state that the single calls of a run share. `error` is the first that one of them raised."""

    def __init__(self, retries: int, failure_counter: FailureCounter) -> None:
        self.error: BaseException | None = None
        self.in_flight = 0
        self.retries = retries
        self.failure_counter = failure_counter


class SingleCall:
    """One call of a chain of steps on a worker, as a batch of one item."""

    def __init__(
        self,
        calls: SingleCalls,
        worker_queue: WorkerQueue,
        steps: Sequence[BoundStep],
        done: Callable[[object], None],
        *,
        kind: WorkKind = "batch",
        saver: Saver | None = None,
    ) -> None:
        """`done` gets the last value.

        For the kinds "generate" and "stream" the one step is a generator: `done` gets the list of its items, `saver`
        each item as it arrives.
        """
        self._calls = calls
        self._worker_queue = worker_queue
        self._codec = worker_queue.engine.codec
        self._program = worker_queue.install(steps)
        self._redelivery = RedeliveryPolicy(steps, calls.retries)
        self._done = done
        self._kind: WorkKind = kind
        self._saver = saver
        self._batch = InFlightBatch(0, [None], 0)
        # The items of this attempt, the attempts that the worker has made, and the items that are saved.
        self._items: list[object] = []
        self._worker_attempt = 0
        self._saved = 0

    def start(self) -> None:
        """Begin the call; an error of it is kept in the state of the calls."""
        self._calls.in_flight += 1
        self._send()

    def _send(self) -> None:
        batch, items, context = self._batch, list[object](), None
        if self._kind == "batch":
            # A generator has no item, and its worker needs no context.
            items, context = [None], BatchContext(None, batch.failed_attempts, batch.attempt > 1, single=True)
        segments = self._codec.pack(items)
        work_item = WorkItem(new_seq(), self._program, self._kind, segments, exclusive=True, context=context)
        self._worker_queue.submit_first(work_item, self._handle)

    def _handle(self, result: WorkResult) -> None:
        try:
            if result.kind in ("lost", "overdue"):
                self._redeliver(result)
            else:
                self._take(result)
        except BaseException as error:
            if self._calls.error is None:
                self._calls.error = error

    def _redeliver(self, result: WorkResult) -> None:
        if self._kind != "batch":
            # The worker of a generator counts its own attempts only: those that ended with a worker are counted here.
            result = result._replace(attempt=1 + sum(one.attempts for one in self._batch.failed_attempts))
        redelivery = self._redelivery.decide(self._batch, result, lambda: "a single call")
        if redelivery.error is not None:
            raise self._redelivery.blame(self._batch, redelivery.error, result)
        (self._batch,) = redelivery.batches
        # The items of the attempt that is over are not part of the next one.
        self._items.clear()
        self._worker_attempt = 0
        self._send()

    def _take(self, result: WorkResult) -> None:
        for item_failure in result.item_failures:
            self._calls.failure_counter.add(item_failure)
        self._keep(result)
        if (error := result.error) is not None:
            if self._kind == "stream" and isinstance(error.__cause__, SystemExit | KeyboardInterrupt | GeneratorExit):
                # A source that exits does so for the user, in whichever process it runs.
                raise error.__cause__
            raise self._redelivery.blame(self._batch, error, result, result.traceback)
        if result.kind == "done":
            self._calls.in_flight -= 1
            self._worker_queue.engine.uninstall(self._program)
            self._done(self._items if self._kind != "batch" else self._items[0])

    def _keep(self, result: WorkResult) -> None:
        """Keep the values of a result; a new attempt begins with no items, but saves none twice."""
        if result.kind != "failed" and result.step != self._worker_attempt:
            self._worker_attempt = result.step
            self._items.clear()
        values, bad = self._codec.unpack(result.payload)
        for place, value in enumerate(values):
            if place == bad:
                raise self._redelivery.blame(self._batch, unloadable_result(self._redelivery.steps[-1], value), result)
            index = len(self._items)
            self._items.append(value)
            if self._saver is not None and index >= self._saved:
                self._saver(index, value)
                self._saved = index + 1
