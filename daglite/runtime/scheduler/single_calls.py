"""Single calls on workers: they run side by side, each on a worker of its own."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from daglite.exceptions import Failure, TransferError
from daglite.runtime.dataflow.failure_policy import FailureCounter
from daglite.runtime.dataflow.redelivery import died, overdue, spent_on, with_spent
from daglite.runtime.dataflow.saves import Saver
from daglite.runtime.engines.worker_queues import WorkerQueue
from daglite.runtime.kernel.errors import attempts_of, blame
from daglite.runtime.kernel.retry import FailedAttempts
from daglite.runtime.kernel.steps import BoundStep
from daglite.runtime.kernel.work import BatchContext, WorkKind, WorkResult
from daglite.runtime.serialization.batch_format import reason_of
from daglite.runtime.serialization.codec import ItemCodec

Done = Callable[[object], None]


class SingleCalls:
    """Sends calls and generators to workers; their values come back through `done`, errors are kept in `error`."""

    def __init__(self, retries: int, failure_counter: FailureCounter) -> None:
        self.error: BaseException | None = None
        self.under_way = 0
        self._retries = retries
        self._failure_counter = failure_counter

    def start(self, worker_queue: WorkerQueue, steps: Sequence[BoundStep], done: Done) -> None:
        """Call a chain once; `done` gets the last value."""
        _SingleCall(self, worker_queue, steps, "batch", None, done).send()

    def generate(
        self, worker_queue: WorkerQueue, step: BoundStep, *, streamed: bool, saver: Saver | None, done: Done
    ) -> None:
        """Drain a generator on a worker; `done` gets the list of its items, `saver` each item as it arrives."""
        _SingleCall(self, worker_queue, [step], "stream" if streamed else "generate", saver, done).send()


class _SingleCall:
    """One call under way."""

    def __init__(
        self,
        calls: SingleCalls,
        worker_queue: WorkerQueue,
        steps: Sequence[BoundStep],
        kind: WorkKind,
        saver: Saver | None,
        done: Done,
    ) -> None:
        self._calls, self._worker_queue, self._steps = calls, worker_queue, steps
        self._codec: ItemCodec = worker_queue.engine.codec
        self._kind: WorkKind = kind
        self._saver, self._done = saver, done
        self._items: list[object] = []
        self._round: tuple[int, int] = (0, 0)
        self._rounds = 0
        self._saved = 0
        self._attempt = 1
        self._timeouts = 0
        self._failed_attempts: tuple[FailedAttempts, ...] = ()
        self._program = worker_queue.engine.install(steps)
        calls.under_way += 1

    def send(self) -> None:
        cells = [] if self._kind != "batch" else [None]
        # A generator is told nothing.
        notes = (
            BatchContext(None, self._failed_attempts, self._attempt > 1, single=True) if self._kind == "batch" else None
        )
        self._worker_queue.submit_exclusive(
            self._program, self._kind, self._codec.pack(cells), self._answered, notes=notes
        )

    def _answered(self, work_result: WorkResult) -> None:
        try:
            self._take(work_result)
        except BaseException as error:
            if self._calls.error is None:
                self._calls.error = error

    def _take(self, work_result: WorkResult) -> None:
        if work_result.kind == "lost":
            self._lost(work_result)
            return
        if work_result.kind == "overdue":
            self._overdue(work_result)
            return
        for item_failure in work_result.item_failures:
            self._calls._failure_counter.add(item_failure)
        self._keep(work_result)
        if work_result.error is not None:
            error, trace = work_result.error
            if self._kind == "stream" and isinstance(error.__cause__, SystemExit | KeyboardInterrupt | GeneratorExit):
                # The source's own exits are the user's, wherever the source runs.
                raise error.__cause__
            raise self._blamed(error, work_result, trace)
        if work_result.kind == "done":
            self._calls.under_way -= 1
            self._worker_queue.engine.uninstall(self._program)
            self._done(self._items if self._kind != "batch" else self._items[0])

    def _lost(self, work_result: WorkResult) -> None:
        """The worker died: the call starts again, or goes on as one that has failed, or ends the run."""
        functions = [step.function for step in self._steps]
        again = self._attempt <= self._calls._retries and all(function.retry_on_crash for function in functions)
        if not again and work_result.started:
            at = next((step for step in self._steps if step.number == work_result.step), None)
            # At the first start nobody asked which step it is, and without another one nobody will know.
            if at is None or at.function.on_error == "raise" or self._attempt == 1:
                names = " -> ".join(function.name for function in functions)
                raise self._blamed(died(names, "a single call", work_result, self._attempt), work_result)
            told = str(died(at.function.name, "a single call", work_result, self._attempt))
            self._failed_attempts = with_spent(
                self._failed_attempts, FailedAttempts(work_result.step, self._attempt, told, died=True)
            )
            self._attempt = 0
        self._attempt += 1
        self._rounds += 1
        self.send()

    def _overdue(self, work_result: WorkResult) -> None:
        """The call took too long: there is another attempt, or what its task makes of errors, or the run ends."""
        step = next(step for step in self._steps if step.number == work_result.step)
        self._timeouts += 1
        if self._kind != "batch":
            # A generator counts its attempts itself, and loses count with its worker.
            work_result = work_result._replace(attempt=self._timeouts)
        failed_attempts = spent_on(work_result, step.function)
        if failed_attempts is None:
            raise self._blamed(overdue(step.function, work_result), work_result)
        self._failed_attempts = with_spent(self._failed_attempts, failed_attempts)
        # The items of the attempt that is over are not part of the next one.
        self._rounds += 1
        self.send()

    def _keep(self, work_result: WorkResult) -> None:
        """Take the items of a piece in; a new attempt starts from nothing, but saves nothing twice."""
        attempt = 0 if work_result.kind == "failed" else work_result.step
        if work_result.kind != "failed" and self._round != (self._rounds, attempt):
            self._round = (self._rounds, attempt)
            self._items.clear()
        values, bad = self._codec.unpack(work_result.segments)
        for place, value in enumerate(values):
            if place == bad:
                name, reason = self._steps[-1].function.name, reason_of(value)
                raise self._blamed(
                    TransferError(f"a result of task '{name}' cannot be loaded in the coordinator: {reason}"),
                    work_result,
                )
            index = len(self._items)
            self._items.append(value)
            if self._saver is not None and index >= self._saved:
                self._saver(index, value)
                self._saved = index + 1

    def _blamed(self, error: BaseException, work_result: WorkResult, trace: str = "") -> BaseException:
        step = next((step for step in self._steps if step.number == work_result.step), self._steps[-1])
        attempt = max(self._attempt, work_result.attempt, attempts_of(step.function, error))
        facts = Failure(
            step.function.name, step.number, None, None, attempt, work_result.worker, work_result.exitcode, trace
        )
        return blame(error, facts)
