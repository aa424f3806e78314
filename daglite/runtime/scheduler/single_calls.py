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

    def __init__(self, retries: int, ledger: FailureCounter) -> None:
        self.error: BaseException | None = None
        self.under_way = 0
        self._retries = retries
        self._ledger = ledger

    def start(self, board: WorkerQueue, steps: Sequence[BoundStep], done: Done) -> None:
        """Call a chain once; `done` gets the last value."""
        _SingleCall(self, board, steps, "batch", None, done).send()

    def generate(self, board: WorkerQueue, step: BoundStep, *, streamed: bool, saver: Saver | None, done: Done) -> None:
        """Drain a generator on a worker; `done` gets the list of its items, `saver` each item as it arrives."""
        _SingleCall(self, board, [step], "stream" if streamed else "generate", saver, done).send()


class _SingleCall:
    """One call under way."""

    def __init__(
        self,
        calls: SingleCalls,
        board: WorkerQueue,
        steps: Sequence[BoundStep],
        kind: WorkKind,
        saver: Saver | None,
        done: Done,
    ) -> None:
        self._calls, self._board, self._steps = calls, board, steps
        self._codec: ItemCodec = board.session.codec
        self._kind: WorkKind = kind
        self._saver, self._done = saver, done
        self._items: list[object] = []
        self._round: tuple[int, int] = (0, 0)
        self._rounds = 0
        self._saved = 0
        self._attempt = 1
        self._timeouts = 0
        self._spent: tuple[FailedAttempts, ...] = ()
        self._program = board.session.install(steps)
        calls.under_way += 1

    def send(self) -> None:
        cells = [] if self._kind != "batch" else [None]
        # A generator is told nothing.
        notes = BatchContext(None, self._spent, self._attempt > 1, single=True) if self._kind == "batch" else None
        self._board.queue(self._program, self._kind, self._codec.pack(cells), self._answered, notes=notes)

    def _answered(self, reply: WorkResult) -> None:
        try:
            self._take(reply)
        except BaseException as error:
            if self._calls.error is None:
                self._calls.error = error

    def _take(self, reply: WorkResult) -> None:
        if reply.kind == "lost":
            self._lost(reply)
            return
        if reply.kind == "overdue":
            self._overdue(reply)
            return
        for mishap in reply.mishaps:
            self._calls._ledger.add(mishap)
        self._keep(reply)
        if reply.error is not None:
            error, trace = reply.error
            if self._kind == "stream" and isinstance(error.__cause__, SystemExit | KeyboardInterrupt | GeneratorExit):
                # The source's own exits are the user's, wherever the source runs.
                raise error.__cause__
            raise self._blamed(error, reply, trace)
        if reply.kind == "done":
            self._calls.under_way -= 1
            self._board.session.forget(self._program)
            self._done(self._items if self._kind != "batch" else self._items[0])

    def _lost(self, reply: WorkResult) -> None:
        """The worker died: the call starts again, or goes on as one that has failed, or ends the run."""
        functions = [step.function for step in self._steps]
        again = self._attempt <= self._calls._retries and all(function.retry_on_crash for function in functions)
        if not again and reply.started:
            at = next((step for step in self._steps if step.number == reply.step), None)
            # At the first start nobody asked which step it is, and without another one nobody will know.
            if at is None or at.function.on_error == "raise" or self._attempt == 1:
                names = " -> ".join(function.name for function in functions)
                raise self._blamed(died(names, "a single call", reply, self._attempt), reply)
            told = str(died(at.function.name, "a single call", reply, self._attempt))
            self._spent = with_spent(self._spent, FailedAttempts(reply.step, self._attempt, told, died=True))
            self._attempt = 0
        self._attempt += 1
        self._rounds += 1
        self.send()

    def _overdue(self, reply: WorkResult) -> None:
        """The call took too long: there is another attempt, or what its task makes of errors, or the run ends."""
        step = next(step for step in self._steps if step.number == reply.step)
        self._timeouts += 1
        if self._kind != "batch":
            # A generator counts its attempts itself, and loses count with its worker.
            reply = reply._replace(attempt=self._timeouts)
        spent = spent_on(reply, step.function)
        if spent is None:
            raise self._blamed(overdue(step.function, reply), reply)
        self._spent = with_spent(self._spent, spent)
        # The items of the attempt that is over are not part of the next one.
        self._rounds += 1
        self.send()

    def _keep(self, reply: WorkResult) -> None:
        """Take the items of a piece in; a new attempt starts from nothing, but saves nothing twice."""
        attempt = 0 if reply.kind == "failed" else reply.step
        if reply.kind != "failed" and self._round != (self._rounds, attempt):
            self._round = (self._rounds, attempt)
            self._items.clear()
        values, bad = self._codec.unpack(reply.segments)
        for place, value in enumerate(values):
            if place == bad:
                name, reason = self._steps[-1].function.name, reason_of(value)
                raise self._blamed(
                    TransferError(f"a result of task '{name}' cannot be loaded in the coordinator: {reason}"), reply
                )
            index = len(self._items)
            self._items.append(value)
            if self._saver is not None and index >= self._saved:
                self._saver(index, value)
                self._saved = index + 1

    def _blamed(self, error: BaseException, reply: WorkResult, trace: str = "") -> BaseException:
        step = next((step for step in self._steps if step.number == reply.step), self._steps[-1])
        attempt = max(self._attempt, reply.attempt, attempts_of(step.function, error))
        facts = Failure(step.function.name, step.number, None, None, attempt, reply.worker, reply.exitcode, trace)
        return blame(error, facts)
