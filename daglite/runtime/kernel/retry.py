"""Calls that may fail: tried again after a while, and what becomes of an item at which they fail for good.

All of it happens where the call is made, so it is the same on every runtime. A wait is a wait of its worker: the items
of its batch that come after wait as well, as in any order they would for a worker that sleeps.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

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

    `reason` is there when they were the last: what to say, and whether the worker `died` or was over its limit.
    """

    step: int
    attempts: int
    reason: str = ""
    died: bool = False


class ItemFailure(NamedTuple):
    """An item that failed and did not end the run: its place in the stream, the step, and what was raised as text."""

    place: int
    step: int
    task: str
    item: int | None
    error: str
    skipped: bool


class RetryStep(Protocol):
    """Of a step, what is needed here."""

    @property
    def number(self) -> int:
        """Its number in the plan."""
        ...

    @property
    def function(self) -> Function:
        """What it calls."""
        ...

    @property
    def filters(self) -> bool:
        """Whether its value says if the item goes on."""
        ...

    @property
    def seed(self) -> int:
        """The seed of the run."""
        ...

    @property
    def step_id(self) -> int:
        """What tells it from other steps; see `here`."""
        ...


class RetryTracker:
    """What the steps of one chain share about their attempts, in one worker or in the coordinator.

    `pause` waits some seconds, `portable` makes a failed item one that can leave the worker, `tell` hears of each item
    that failed and did not end the run, and `announce` of calls that must not take their worker along unseen.
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
        # What the coordinator knows of the item at work, by step; whether its worker may die of it.
        self.failed_attempts: dict[int, FailedAttempts] = {}
        self.quarantined = False
        # The number of the attempt under way.
        self.attempt = 1
        self._tell = tell
        # Seconds of waiting since somebody asked.
        self._slept = 0.0

    def learn(self, failed_attempts: Iterable[FailedAttempts], *, quarantined: bool) -> None:
        """What is known of the item that comes next, and of that item only."""
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
        """So long was waited, which is no work."""
        self._slept += seconds

    def slept(self) -> float:
        """The seconds of waiting since this was last asked."""
        seconds, self._slept = self._slept, 0.0
        return seconds

    def take_item_failures(self, first: int = 0, end: int = sys.maxsize) -> list[ItemFailure]:
        """The items that failed since this was last asked, of those between these places."""
        found = [one for one in self.item_failures if first <= one.place < end]
        if found:
            self.item_failures = [one for one in self.item_failures if not first <= one.place < end]
        return found

    def record(self, item_failure: ItemFailure) -> None:
        """An item failed, and the run goes on."""
        if self._tell is not None:
            self._tell(item_failure)
        else:
            self.item_failures.append(item_failure)


def with_retries(
    step: RetryStep, call: Callable[..., Any], timer: StepTimer | None, trials: RetryTracker
) -> Callable[..., Any]:
    """The call with its retries, and with what becomes of an item at which it fails for good."""
    keeps = step.function.on_error == "keep"

    def trying(*values: object) -> object:
        if keeps and type(values[0]) is Failed:
            # It has failed before, and goes by.
            return values[0]
        tries = _ItemRetries(step, values, trials, timer) if trials.failed_attempts or trials.quarantined else None
        trials.attempt = 1
        if tries is not None:
            if tries.over:
                return tries.given_up()
            trials.wait(tries.delay())
        while True:
            try:
                value = call(*values)
                if tries is not None:
                    tries.over_well()
                return value
            except Exception as error:
                tries = tries or _ItemRetries(step, values, trials, timer)
                if not tries.again(error):
                    return tries.settled(error)
            trials.wait(tries.delay())

    return trying


def with_async_retries(
    step: RetryStep, call: Callable[..., Any], timer: StepTimer | None, trials: RetryTracker
) -> Callable[..., Any]:
    """The same for a function whose value is awaited; the event loop goes on while it waits."""
    keeps = step.function.on_error == "keep"

    async def wait(seconds: float) -> None:
        began = time.perf_counter()
        try:
            await asyncio.sleep(seconds)
        finally:
            trials.count_sleep(time.perf_counter() - began)

    async def trying(*values: object) -> object:
        if keeps and type(values[0]) is Failed:
            return values[0]
        tries = _ItemRetries(step, values, trials, timer) if trials.failed_attempts or trials.quarantined else None
        trials.attempt = 1
        if tries is not None:
            if tries.over:
                return tries.given_up()
            await wait(tries.delay())
        while True:
            try:
                value = await call(*values)
                if tries is not None:
                    tries.over_well()
                return value
            except Exception as error:
                tries = tries or _ItemRetries(step, values, trials, timer)
                if not tries.again(error):
                    return tries.settled(error)
            await wait(tries.delay())

    return trying


def wait_to_restart(step: RetryStep, error: BaseException, attempt: int, trials: RetryTracker) -> bool:
    """Whether a generator step that failed at this attempt begins again; then the time to wait is over."""
    function = step.function
    retry = function.retry
    wanted = isinstance(error, Exception if retry is None else retry.on)
    if attempt > function.retries or not wanted:
        return False
    if retry is not None:
        trials.wait(retry.delay(attempt, step.step_id))
    return True


class _ItemRetries:
    """The attempts of a step at one item: made when the first has failed, or when others are known of."""

    def __init__(
        self, step: RetryStep, values: Sequence[object], trials: RetryTracker, timer: StepTimer | None
    ) -> None:
        self._step = step
        self._values = values
        self._trials = trials
        self._timer = timer
        known = trials.failed_attempts.get(step.number)
        self.attempts = 0 if known is None else known.attempts
        self.over = known if known is not None and known.reason else None
        self._announced = trials.quarantined and step.function.on_error != "raise"
        if self._announced and trials.announce is not None:
            # Should the worker not come back from here, this step is why.
            trials.announce(step.number, 0.0)

    def again(self, error: Exception) -> bool:
        """One more attempt failed: whether there is another."""
        self.attempts += 1
        function = self._step.function
        wanted = function.retry is None or isinstance(error, function.retry.on)
        if self.attempts > function.retries or not wanted:
            return False
        if self._timer is not None:
            self._timer.repeated += 1
        return True

    def delay(self) -> float:
        """The next attempt begins: the seconds to wait before it, none before the first."""
        self._trials.attempt = self.attempts + 1
        retry = self._step.function.retry
        if retry is None or not self.attempts:
            return 0.0
        found = current_call()
        return retry.delay(self.attempts, self._step.step_id, None if found is None else found.item)

    def over_well(self) -> None:
        """The call has returned: should the worker end now, it was not that."""
        self._trials.attempt = 1
        if self._announced and self._trials.announce is not None:
            self._trials.announce(-1, 0.0)

    def given_up(self) -> object:
        """What becomes of an item that ended its worker too often."""
        assert self.over is not None
        error: ExecutionError = (WorkerDiedError if self.over.died else TaskTimeoutError)(self.over.reason)
        return self._become(error)

    def settled(self, error: Exception) -> object:
        """What becomes of an item at which the last attempt raised this; called while it is handled."""
        if self._step.function.on_error == "raise":
            if self._step.function.retry is not None or isinstance(error, ExecutionError):
                note_attempts(error, self.attempts)
            raise error
        return self._become(error)

    def _become(self, error: Exception) -> object:
        step, function = self._step, self._step.function
        self.over_well()
        skips, found = function.skips, current_call()
        index, place = (None, 0) if found is None else (found.item, found.place)
        if self._timer is not None:
            self._timer.failed += 1
        self._trials.record(ItemFailure(place, step.number, function.name, index, text_of(error), skips))
        if skips:
            return False if step.filters else SKIPPED
        failed = self._failed(error, index)
        value: object = failed
        if isinstance(function.on_error, Function):
            value = function.on_error.fn(failed)
        for one in chain_of(failed.error):
            # It would keep in flight all that the task held.
            one.__traceback__ = None
        return value

    def _failed(self, error: Exception, index: int | None) -> Failed[Any]:
        step, trials = self._step, self._trials
        item = self._values[0] if len(self._values) == 1 else self._values or None
        raised, trace = raisable_error(error)
        assert isinstance(raised, Exception)
        name, shown = step.function.name, short_repr(item)
        failure = Failure(name, step.number, index, shown, max(1, self.attempts), trials.worker(), None, trace)
        failed: Failed[Any] = Failed(item, raised, failure, seed=step.seed)
        return failed if trials.portable is None else trials.portable(failed)


def portable(codec: ItemCodec) -> Callable[[Failed[Any]], Failed[Any]]:
    """What makes a failed item one that crosses with this codec: without what cannot, if need be."""

    def made(failed: Failed[Any]) -> Failed[Any]:
        reason = _obstacle(codec, failed)
        if not reason:
            return failed
        bare = failed.without_item("it cannot be sent back from its worker")
        if _obstacle(codec, bare):
            told = TaskFailedError(f"{text_of(failed.error)} (it cannot travel: {_obstacle(codec, bare)})")
            bare, failed = bare.with_error(told), failed.with_error(told)
        return bare if _obstacle(codec, failed) else failed

    return made


def _obstacle(codec: ItemCodec, value: object) -> str:
    """Why a value cannot cross; nothing when it can."""
    try:
        restored = codec.deserialize(codec.serialize(value))
    except TransferError as error:
        return str(error)
    return restored.reason if isinstance(restored, Unloadable) else ""
