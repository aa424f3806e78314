"""The engine protocol: an engine sends work items to workers and returns their results.

Flow control, order, redelivery, saves and error reports belong to the coordinator's loop, not to an engine.

    coordinator --submit, flush--> engine --> workers
    coordinator <-----poll-------- engine <-- workers

`Engine` is what every engine implements. The protocols below it are optional: `WorkerQueue` and the scheduler look for
them with `isinstance`, once for each engine.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from typing import Literal, NamedTuple, Protocol, TypeAlias, runtime_checkable

from daglite.functions import Function
from daglite.runtime.kernel.bound_step import BoundStep
from daglite.runtime.kernel.work import WorkItem, WorkResult
from daglite.runtime.serialization.codec import ItemCodec

# Why a worker ended before the run did: it died, a call exceeded its time limit, or it had taken all its items.
WorkerEndReason = Literal["died", "overdue", "renewed"]
# Called with the id of a worker, its exit code and why it ended; with None and None when the worker starts.
WorkerListener: TypeAlias = Callable[[int, int | None, WorkerEndReason | None], None]

# Work items that a worker holds at most: one runs, one waits behind it, so the worker never waits for the coordinator.
CREDITS = 2


class _ThreadRole(threading.local):
    """`helping` is True on the helper thread of a stream. Another thread may then be anywhere in the user's code and
    hold any lock, so the helper thread must not fork.
    """

    helping = False


THREAD_ROLE = _ThreadRole()


class BatchPolicy(NamedTuple):
    """The batch sizes that suit an engine.

    `aim` is seconds of work in a batch, `cheap_aim` the same where items are cheap, `most_bytes` the largest batch in
    bytes, and `alone_bytes` the size from which an item has a batch of its own.
    """

    aim: float
    cheap_aim: float
    most_bytes: int
    alone_bytes: int


# For workers on this machine.
LOCAL_BATCH_POLICY = BatchPolicy(0.002, 0.00025, 256 * 1024, 64 * 1024)


class Engine(Protocol):
    """An open engine. All calls come from one thread at a time, except `wake`."""

    @property
    def workers(self) -> int:
        """The number of workers."""
        ...

    @property
    def batch_policy(self) -> BatchPolicy:
        """The batch sizes that suit this engine."""
        ...

    @property
    def codec(self) -> ItemCodec:
        """The codec that packs the items of work items and unpacks those of results."""
        ...

    def install(self, steps: Sequence[BoundStep]) -> int:
        """Register a program and return its number. Each worker receives it once, before the first work item for it.

        Raises `TransferError` when a part of the program cannot be sent to a worker.
        """
        ...

    def uninstall(self, program: int) -> None:
        """Release a program that no further work item uses."""

    def credits(self) -> int:
        """Return how many work items may be submitted now."""
        ...

    def has_idle_worker(self) -> bool:
        """Return whether a worker has nothing to do."""
        ...

    def max_items(self) -> int | None:
        """Return how many items a work item may hold now; None means no limit."""
        ...

    def submit(self, work_item: WorkItem) -> None:
        """Assign a work item to a worker without blocking.

        Requires `credits() > 0`, `has_idle_worker()` for an exclusive work item, or a work item for a certain worker.
        """

    def flush(self) -> None:
        """Send what was submitted: a worker that has several new work items is woken once."""

    def poll(self, timeout: float | None) -> Sequence[WorkResult]:
        """Return the results that are there. Wait for the first up to `timeout` seconds, or without limit if None.

        A call of `wake` ends the wait; then the sequence may be empty.
        """
        ...

    def wake(self) -> None:
        """End a `poll` that waits in another thread."""

    def cancel(self) -> None:
        """Stop the work in flight. Its results are not returned."""

    def close(self) -> None:
        """End the engine and everything it started."""


@runtime_checkable
class ResettableEngine(Engine, Protocol):
    """An engine that can serve several runs, one after the other."""

    def reset(self) -> None:
        """Drop everything that belongs to the last run, and replace workers that are still busy."""


@runtime_checkable
class ObservableEngine(Protocol):
    """An engine that reports when its workers start and end."""

    def listen(self, listener: WorkerListener | None) -> None:
        """Report each present worker to `listener`, and from now on each that starts or ends; None ends the reports."""


@runtime_checkable
class ResumableEngine(Protocol):
    """An engine whose workers can continue a result that they began in an earlier work item."""

    def can_resume(self, function: Function) -> bool:
        """Return whether a worker can continue a result of this function."""
        ...


@runtime_checkable
class CombiningEngine(Protocol):
    """An engine whose workers can keep the partials of a fold (`WorkItem.partial_threshold`) and combine them."""

    def combine(self, work_item: WorkItem) -> None:
        """Submit a work item of kind "combine" to the worker that has most of its partials."""


@runtime_checkable
class SelectorEngine(Protocol):
    """An engine that waits for file descriptors. Its wait can include those of other engines."""

    def fileno(self) -> int:
        """Return a file descriptor that is readable when `poll` has something to read."""
        ...

    def watch(self, fd: int, *, on: bool) -> None:
        """End each wait also when `fd` is readable; with `on=False` no longer."""


@runtime_checkable
class NotifyingEngine(Protocol):
    """An engine that waits for a queue in this process, and can report what arrives there."""

    def notify(self, callback: Callable[[], None] | None) -> None:
        """Call `callback` from now on when a result arrives, from any thread; None ends the calls."""


@runtime_checkable
class TimedEngine(Protocol):
    """An engine that must be polled at certain times, also when no result arrives."""

    def poll_timeout(self, timeout: float | None) -> float | None:
        """Return how long a wait may be, at most `timeout` seconds, before this engine must be polled."""
        ...
