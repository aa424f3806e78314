"""Attempts that did not end with an answer: what goes out again, what failed for good. See `ended` for the rules.

Attempts that ended with their worker: a call over its time limit, or a worker that died. Pure; and what is said.

Which item failed, at which step, and all that is known of it: told to the verdict.
"""

from __future__ import annotations

import copy
import signal
import time
from collections import deque
from collections.abc import Iterator, Sequence

from daglite.exceptions import MOST_KEPT, Failure, ReplayRecord, TaskTimeoutError, WorkerDiedError
from daglite.functions import Function
from daglite.runtime.dataflow.failure_policy import FailurePolicy
from daglite.runtime.dataflow.flow_control import FlowControl
from daglite.runtime.dataflow.in_flight import InFlightBatch
from daglite.runtime.dataflow.source import Source
from daglite.runtime.kernel.errors import attempts_of, blame, short_repr
from daglite.runtime.kernel.retry import FailedAttempts
from daglite.runtime.kernel.steps import BoundStep
from daglite.runtime.kernel.work import WorkResult
from daglite.runtime.serialization.batch_format import SerializedItem
from daglite.runtime.serialization.codec import ItemCodec


def spent_on(work_result: WorkResult, function: Function) -> FailedAttempts | None:
    """What an "overdue" reply says of the attempts at its item; None where it ends the run."""
    retry = function.retry
    if work_result.attempt <= function.retries and (retry is None or issubclass(TaskTimeoutError, retry.on)):
        return FailedAttempts(work_result.step, work_result.attempt)
    return (
        None
        if function.on_error == "raise"
        else FailedAttempts(work_result.step, work_result.attempt, str(overdue(function, work_result)))
    )


def with_spent(before: tuple[FailedAttempts, ...], now: FailedAttempts | None) -> tuple[FailedAttempts, ...]:
    """What is known of an item: the latest of each step."""
    return before if now is None else (*(one for one in before if one.step != now.step), now)


def overdue(function: Function, work_result: WorkResult) -> TaskTimeoutError:
    """The error for a call that took longer than its task allows."""
    what = work_result.hint or "its worker was killed"
    return TaskTimeoutError(f"task '{function.name}' took longer than its `timeout` of {function.timeout:g} s; {what}")


def died(task: str, what: str, work_result: WorkResult, attempt: int) -> WorkerDiedError:
    """The error for work whose worker ended under it too often."""
    times = "once" if attempt == 1 else f"{attempt} times"
    hint = f"; {work_result.hint}" if work_result.hint else ""
    return WorkerDiedError(
        f"the worker ended ({_exit_text(work_result.exitcode)}) while it ran task '{task}' on {what}; started {times}{hint}"
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


class FailureReporter:
    """Puts together what an error says of its item. `executor` is its number on the route."""

    def __init__(
        self, source: Source, steps: Sequence[BoundStep], codec: ItemCodec, failure_policy: FailurePolicy, executor: int
    ) -> None:
        self._source = source
        self._steps = steps
        self._codec = codec
        self._failure_policy = failure_policy
        self._executor = executor

    def fail(
        self, flight: InFlightBatch, position: int, error: BaseException, work_result: WorkResult, trace: str = ""
    ) -> None:
        """The item at this position of a batch failed."""
        step = self.step(work_result.step) or self._steps[-1]
        function, number = step.function, work_result.step if work_result.step >= 0 else step.number
        attempt = max(flight.attempt, work_result.attempt, attempts_of(function, error))
        item, kept = self._shown(flight.cells[position])
        place = flight.first + position
        index = self._source.index_of(place)
        facts = Failure(
            function.name, number, index, item, attempt, work_result.worker, work_result.exitcode, trace, kept
        )
        self._failure_policy.record(place, blame(error, facts), time.monotonic(), executor=self._executor)

    def step(self, number: int) -> BoundStep | None:
        """The step of that number, if it is one of this leg."""
        return next((step for step in self._steps if step.number == number), None)

    def function(self, number: int) -> Function | None:
        """Its function."""
        step = self.step(number)
        return None if step is None else step.function

    def items(self, flight: InFlightBatch) -> str:
        """The items of a batch, by their indices."""
        first, last = (self._source.index_of(flight.first + each) for each in (0, len(flight.cells) - 1))
        return f"item {first}" if last == first else f"items {first} to {last}"

    def _shown(self, cell: object) -> tuple[str, ReplayRecord]:
        """The item as text, and as it is kept for another run of it."""
        first = self._steps[0]
        (loaded,), bad = self._codec.unpack(self._codec.pack([cell]))
        if bad is not None:
            return "an item that cannot be loaded", ReplayRecord(first.number, None, first.seed, "it cannot be loaded")
        shown, nbytes = short_repr(loaded), self._codec.size(cell)
        if nbytes > MOST_KEPT:
            return shown, ReplayRecord(first.number, None, first.seed, f"its {nbytes} bytes are more than {MOST_KEPT}")
        kept = ReplayRecord(first.number, loaded, first.seed)
        # Large buffers lie in memory that is shared with workers and is needed again: that one travels, into a copy.
        return shown, copy.copy(kept) if isinstance(cell, SerializedItem) and cell.buffers else kept


class RedeliveryQueue:
    """Batches that go out again, those of the first items first."""

    def __init__(
        self,
        steps: Sequence[BoundStep],
        codec: ItemCodec,
        window: FlowControl,
        failure_reporter: FailureReporter,
        *,
        retries: int,
    ) -> None:
        """`retries`: how often an item starts again when its worker died."""
        # What waits to go out again.
        self.waiting: deque[InFlightBatch] = deque()
        self._steps = steps
        self._codec = codec
        self._window = window
        self._failure_reporter = failure_reporter
        self._retries = retries

    def take(self, most: int | None) -> InFlightBatch:
        """The next batch; what comes back from a dead worker may be more than any other may still take."""
        flight = self.waiting.popleft()
        if most is None or len(flight.cells) <= most:
            return flight
        head, rest = flight.cells[:most], flight.cells[most:]
        self._window.split(2)
        parts = [
            InFlightBatch(flight.first + place, cells, 0, flight.attempt) for place, cells in ((0, head), (most, rest))
        ]
        self._share(flight.nbytes, parts)
        self.waiting.appendleft(parts[1])
        return parts[0]

    def add(self, flight: InFlightBatch) -> None:
        """It goes out again as it was."""
        self._add((flight,))

    def remake(self, parts: Sequence[tuple[int, Sequence[object]]]) -> None:
        """Parts are gone that stayed with a worker: what they were made of, by its first place, goes out again."""
        # They have been through the window, which only counts the results under way: one more, and what it splits into.
        # Their bytes are those of the group that they are made for, until it comes home.
        self._window.split(2)
        self._split(0, [InFlightBatch(first, cells, 0) for first, cells in parts])

    def overdue(self, flight: InFlightBatch, work_result: WorkResult) -> None:
        """One item took too long; the others in the batch are innocent, and results before it are gone."""
        place, done = flight.first + work_result.done, work_result.done
        function = self._failure_reporter.function(work_result.step)
        assert function is not None, "only a step of its own has a time limit"
        failed_attempts = spent_on(work_result, function)
        if failed_attempts is None:
            self._failure_reporter.fail(flight, done, overdue(function, work_result), work_result)
        # Of a result that came in pieces the item is alone.
        late, at_it = with_spent(flight.failed_attempts, failed_attempts), flight.cells[done : done + 1]
        parts = [
            InFlightBatch(flight.first, flight.cells[:done], 0, flight.attempt),
            InFlightBatch(place, at_it, 0, flight.attempt, flight.known, late),
            InFlightBatch(place + 1, flight.cells[done + 1 :], 0, flight.attempt),
        ]
        # After an error that ends the run only what is before it matters.
        self._split(flight.nbytes, parts[:1] if failed_attempts is None else parts)

    def lost(self, flight: InFlightBatch, work_result: WorkResult) -> None:
        """A worker died: what it had not begun goes out as it was, what it may have begun one by one."""
        if not work_result.started:
            self.add(flight)
        elif (failed_attempts := self._condemned(flight, work_result)) is not None:
            self._split(
                flight.nbytes,
                [
                    InFlightBatch(
                        flight.first,
                        flight.cells,
                        0,
                        failed_attempts=with_spent(flight.failed_attempts, failed_attempts),
                    )
                ],
            )
        elif flight.attempt > self._retries or not all(step.function.retry_on_crash for step in self._steps):
            names = " -> ".join(step.function.name for step in self._steps)
            self._failure_reporter.fail(
                flight, 0, died(names, self._failure_reporter.items(flight), work_result, flight.attempt), work_result
            )
        else:
            self._split(flight.nbytes, list(self._singly(flight)))

    def _singly(self, flight: InFlightBatch) -> Iterator[InFlightBatch]:
        """Under suspicion of having killed its worker, each item by itself."""
        for place, cell in enumerate(flight.cells, flight.first):
            yield InFlightBatch(place, [cell], 0, flight.attempt + 1, flight.known, flight.failed_attempts)

    def _condemned(self, flight: InFlightBatch, work_result: WorkResult) -> FailedAttempts | None:
        """That the item has failed for good, where its last start is over and the step at which it was goes on."""
        function = self._failure_reporter.function(work_result.step)
        if function is None or flight.attempt <= max(1, self._retries) or function.on_error == "raise":
            return None
        told = str(died(function.name, self._failure_reporter.items(flight), work_result, flight.attempt))
        return FailedAttempts(work_result.step, flight.attempt, told, died=True)

    def _split(self, nbytes: int, parts: Sequence[InFlightBatch]) -> None:
        """The parts of a batch that was under way, in so many bytes, go out again, each by itself."""
        parts = [part for part in parts if part.cells]
        self._window.split(len(parts))
        self._share(nbytes, parts)
        self._add(parts)

    def _share(self, nbytes: int, parts: Sequence[InFlightBatch]) -> None:
        """Each part takes out of the window its share of what went in: weighed anew they would be more or less."""
        weights = [max(1, self._codec.weigh(part.cells)) for part in parts]
        rest = sum(weights)
        for part, weight in zip(parts, weights, strict=True):
            part.nbytes = nbytes * weight // rest
            nbytes, rest = nbytes - part.nbytes, rest - weight

    def _add(self, parts: Sequence[InFlightBatch]) -> None:
        self.waiting = deque(sorted([*self.waiting, *parts], key=lambda each: each.first))
