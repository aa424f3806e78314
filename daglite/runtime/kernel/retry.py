"""Retry calls that fail, and decide about an item at which a step fails finally.

Both happen where the call is made, so they are the same on every runtime. A worker that waits before an attempt also
delays the later items of its batch, as a task that sleeps would.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from daglite.exceptions import (
    ExecutionError,
    Failure,
    TaskFailedError,
    TaskTimeoutError,
    TransferError,
    WorkerDiedError,
)
from daglite.failed import Failed, chain_of
from daglite.functions import Function
from daglite.lazy import lazy
from daglite.runtime.kernel.bound_step import BoundStep
from daglite.runtime.kernel.errors import note_attempts, short_repr
from daglite.runtime.kernel.fused_loop import SKIPPED
from daglite.runtime.kernel.timers import StepTimer
from daglite.runtime.serialization.batch_format import Unloadable, text_of
from daglite.runtime.serialization.codec import ItemCodec
from daglite.runtime.serialization.exceptions import raisable_error
from daglite.task_context import current_call

if TYPE_CHECKING:
    import asyncio
else:
    asyncio = lazy("asyncio")


class FailedAttempts(NamedTuple):
    """Attempts at one item that ended with their worker, as the coordinator counts them.

    A `reason` says that there are no more attempts, and why; the worker then `died`, or the call exceeded its limit.
    """

    step: int
    attempts: int
    reason: str = ""
    died: bool = False


class ItemFailure(NamedTuple):
    """An item that failed without ending the run: its place in the stream, the step, and the error as text."""

    place: int
    step: int
    task: str
    item: int | None
    error: str
    skipped: bool


class RetryTracker:
    """Records the attempts of the steps of one chain, in one worker or in the coordinator.

    `pause` waits some seconds. `portable` turns a failed item into one that can leave the worker. `tell` is called with
    each item that fails without ending the run. `announce` is called around calls that may end their worker.
    """

    def __init__(
        self,
        *,
        pause: Callable[[float], object] | None = None,
        portable: Callable[[Failed[Any]], Failed[Any]] | None = None,
        tell: Callable[[ItemFailure], object] | None = None,
        worker: Callable[[], int | None] = lambda: None,
        announce: Callable[[int, float], object] | None = None,
    ) -> None:
        self.pause = pause or time.sleep
        self.portable = portable
        self.worker = worker
        self.announce = announce
        self.item_failures: list[ItemFailure] = []
        # Earlier attempts at the item at work, by step; whether its worker may die of it.
        self.failed_attempts: dict[int, FailedAttempts] = {}
        self.quarantined = False
        # The number of the attempt under way.
        self.attempt = 1
        self._tell = tell
        self._slept = 0.0

    def set_item_context(self, failed_attempts: Iterable[FailedAttempts], *, quarantined: bool) -> None:
        """Set what the coordinator knows of the next item, and of that item only."""
        self.failed_attempts = {one.step: one for one in failed_attempts}
        self.quarantined = quarantined

    def wait(self, seconds: float) -> None:
        """Wait before the next attempt."""
        if not seconds:
            return
        began = time.perf_counter()
        try:
            self.pause(seconds)
        finally:
            self.count_sleep(time.perf_counter() - began)

    def count_sleep(self, seconds: float) -> None:
        """Count seconds of waiting, which are no work."""
        self._slept += seconds

    def slept(self) -> float:
        """Return the seconds of waiting since the last call of this method."""
        seconds, self._slept = self._slept, 0.0
        return seconds

    def take_item_failures(self, first: int = 0, end: int = sys.maxsize) -> list[ItemFailure]:
        """Remove and return the item failures at the places from `first` to before `end`."""
        found = [one for one in self.item_failures if first <= one.place < end]
        if found:
            self.item_failures = [one for one in self.item_failures if not first <= one.place < end]
        return found

    def record(self, item_failure: ItemFailure) -> None:
        """Record that an item failed and the run goes on."""
        if self._tell is not None:
            self._tell(item_failure)
        else:
            self.item_failures.append(item_failure)


def with_retries(
    step: BoundStep, call: Callable[..., Any], timer: StepTimer | None, retry_tracker: RetryTracker
) -> Callable[..., Any]:
    """Return the call with its retries, and with the decision about an item at which it fails finally."""
    keeps = step.function.on_error == "keep"

    def trying(*values: object) -> object:
        if keeps and type(values[0]) is Failed:
            # It has failed at an earlier step, and passes.
            return values[0]
        attempts = None
        if retry_tracker.failed_attempts or retry_tracker.quarantined:
            # The coordinator knows of attempts at this item.
            attempts = _Attempts(step, values, retry_tracker, timer)
        retry_tracker.attempt = 1
        if attempts is not None:
            if attempts.exhausted:
                return attempts.give_up()
            retry_tracker.wait(attempts.delay())
        while True:
            try:
                value = call(*values)
                if attempts is not None:
                    attempts.returned()
                return value
            except Exception as error:
                attempts = attempts or _Attempts(step, values, retry_tracker, timer)
                if not attempts.try_again(error):
                    return attempts.fail(error)
            retry_tracker.wait(attempts.delay())

    return trying


def with_async_retries(
    step: BoundStep, call: Callable[..., Any], timer: StepTimer | None, retry_tracker: RetryTracker
) -> Callable[..., Any]:
    """Return the same for a function whose value is awaited; the event loop goes on while it waits."""
    keeps = step.function.on_error == "keep"

    async def wait(seconds: float) -> None:
        began = time.perf_counter()
        try:
            await asyncio.sleep(seconds)
        finally:
            retry_tracker.count_sleep(time.perf_counter() - began)

    async def trying(*values: object) -> object:
        if keeps and type(values[0]) is Failed:
            return values[0]
        attempts = None
        if retry_tracker.failed_attempts or retry_tracker.quarantined:
            # The coordinator knows of attempts at this item.
            attempts = _Attempts(step, values, retry_tracker, timer)
        retry_tracker.attempt = 1
        if attempts is not None:
            if attempts.exhausted:
                return attempts.give_up()
            await wait(attempts.delay())
        while True:
            try:
                value = await call(*values)
                if attempts is not None:
                    attempts.returned()
                return value
            except Exception as error:
                attempts = attempts or _Attempts(step, values, retry_tracker, timer)
                if not attempts.try_again(error):
                    return attempts.fail(error)
            await wait(attempts.delay())

    return trying


def wait_to_restart(step: BoundStep, error: BaseException, attempt: int, retry_tracker: RetryTracker) -> bool:
    """Return whether a generator step that failed at this attempt starts again; if so, wait as its options say."""
    function = step.function
    if attempt > function.retries or not isinstance(error, _retried_errors(function)):
        return False
    if function.retry is not None:
        retry_tracker.wait(function.retry.delay(attempt, step.step_id))
    return True


def _retried_errors(function: Function) -> type[Exception] | tuple[type[Exception], ...]:
    return Exception if function.retry is None else function.retry.on


class _Attempts:
    """The attempts of a step at one item: made when the first has failed, or when earlier ones are known of."""

    def __init__(
        self, step: BoundStep, values: Sequence[object], retry_tracker: RetryTracker, timer: StepTimer | None
    ) -> None:
        self._step = step
        self._values = values
        self._retry_tracker = retry_tracker
        self._timer = timer
        known = retry_tracker.failed_attempts.get(step.number)
        self.count = 0 if known is None else known.attempts
        self.exhausted = known if known is not None and known.reason else None
        self._announced = retry_tracker.quarantined and step.function.on_error != "raise"
        if self._announced and retry_tracker.announce is not None:
            # Should the worker end in this call, this step is the cause.
            retry_tracker.announce(step.number, 0.0)

    def try_again(self, error: Exception) -> bool:
        """Count a failed attempt; return whether there is another."""
        self.count += 1
        function = self._step.function
        if self.count > function.retries or not isinstance(error, _retried_errors(function)):
            return False
        if self._timer is not None:
            self._timer.repeated += 1
        return True

    def delay(self) -> float:
        """Begin the next attempt; return the seconds to wait before it, 0 before the first."""
        self._retry_tracker.attempt = self.count + 1
        retry = self._step.function.retry
        if retry is None or not self.count:
            return 0.0
        found = current_call()
        return retry.delay(self.count, self._step.step_id, None if found is None else found.item)

    def returned(self) -> None:
        """Announce that the call is over: should the worker end now, this step is not the cause."""
        self._retry_tracker.attempt = 1
        if self._announced and self._retry_tracker.announce is not None:
            self._retry_tracker.announce(-1, 0.0)

    def give_up(self) -> object:
        """Return what replaces an item that ended its worker too often."""
        assert self.exhausted is not None
        error: ExecutionError = (WorkerDiedError if self.exhausted.died else TaskTimeoutError)(self.exhausted.reason)
        return self._replacement(error)

    def fail(self, error: Exception) -> object:
        """Return what replaces an item at which the last attempt raised `error`, or raise it again."""
        if self._step.function.on_error == "raise":
            if self._step.function.retry is not None or isinstance(error, ExecutionError):
                note_attempts(error, self.count)
            raise error
        return self._replacement(error)

    def _replacement(self, error: Exception) -> object:
        step, function = self._step, self._step.function
        self.returned()
        skips, found = function.skips, current_call()
        index, place = (None, 0) if found is None else (found.item, found.place)
        if self._timer is not None:
            self._timer.failed += 1
        self._retry_tracker.record(ItemFailure(place, step.number, function.name, index, text_of(error), skips))
        if skips:
            return False if step.filters else SKIPPED
        failed = self._failed(error, index)
        value: object = failed
        if isinstance(function.on_error, Function):
            value = function.on_error.fn(failed)
        for one in chain_of(failed.error):
            # It would keep everything in memory that the task held.
            one.__traceback__ = None
        return value

    def _failed(self, error: Exception, index: int | None) -> Failed[Any]:
        step, retry_tracker = self._step, self._retry_tracker
        item = self._values[0] if len(self._values) == 1 else self._values or None
        raised, trace = raisable_error(error)
        assert isinstance(raised, Exception)
        name, shown = step.function.name, short_repr(item)
        failure = Failure(name, step.number, index, shown, max(1, self.count), retry_tracker.worker(), None, trace)
        failed: Failed[Any] = Failed(item, raised, failure, seed=step.seed)
        return failed if retry_tracker.portable is None else retry_tracker.portable(failed)


def portable(codec: ItemCodec) -> Callable[[Failed[Any]], Failed[Any]]:
    """Return a function that removes from a failed item what this codec cannot serialize."""

    def made(failed: Failed[Any]) -> Failed[Any]:
        if not _obstacle(codec, failed):
            return failed
        bare = failed.without_item("it cannot be sent back from its worker")
        if reason := _obstacle(codec, bare):
            told = TaskFailedError(f"{text_of(failed.error)} (it cannot be pickled: {reason})")
            bare, failed = bare.with_error(told), failed.with_error(told)
        return bare if _obstacle(codec, failed) else failed

    return made


def _obstacle(codec: ItemCodec, value: object) -> str:
    """Return why a value cannot be serialized and loaded again, "" when it can."""
    try:
        restored = codec.deserialize(codec.serialize(value))
    except TransferError as error:
        return str(error)
    return restored.reason if isinstance(restored, Unloadable) else ""
