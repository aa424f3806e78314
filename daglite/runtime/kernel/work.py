"""Define what crosses between coordinator and workers: work items on the way out, work results on the way back."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, NamedTuple

from daglite.runtime.kernel.retry import FailedAttempts, ItemFailure
from daglite.runtime.kernel.timers import TimerReading
from daglite.runtime.serialization.codec import Packed

# A batch of items; a generator drained into a list; a generator read by `.iter()`; partials of a fold to be combined.
WorkKind = Literal["batch", "generate", "stream", "combine"]
ResultKind = Literal["done", "failed", "chunk", "lost", "overdue"]


class BatchContext(NamedTuple):
    """Facts about a batch that its worker needs besides the items.

    `indices` are the indices of the items where they differ from the places in the stream. `failed_attempts` are
    attempts at the only item that ended with their worker; `quarantined` says that this attempt may end its worker as
    well. `single` marks a single call, which has no item.
    """

    indices: Sequence[int] | None = None
    failed_attempts: tuple[FailedAttempts, ...] = ()
    quarantined: bool = False
    single: bool = False


class PartialRef(NamedTuple):
    """A partial of a fold that stays with the workers, by a number that its engine knows."""

    ticket: int
    nbytes: int


class WorkItem(NamedTuple):
    """Work for one worker: a packed batch for an installed program.

    The batch has `item_count` consecutive items, the first with index `first_index`. An `exclusive` work item has its
    worker to itself: no cheap one waits after it, and a crash can have no other cause. A `light` one is done sooner by
    a worker that is at work already than by one that has to be woken. One for a `worker`, by its identifier, continues
    what that worker has begun: it is lost when the worker is gone.

    A partial of `partial_threshold` bytes or more stays with the workers; with None it is sent back. `partials` are
    those to be combined.
    """

    seq: int
    program: int
    kind: WorkKind
    payload: Packed
    item_count: int = 1
    first_index: int = 0
    exclusive: bool = False
    light: bool = False
    worker: int | None = None
    context: BatchContext | None = None
    partial_threshold: int | None = None
    partials: Sequence[PartialRef] = ()


class WorkResult(NamedTuple):
    """The result of a work item, or one of the chunks before it.

    "done" and "failed": `completed` items are done, with their results packed in `payload`. A failure has the `error`
    to raise, its `traceback` in the worker as text, and the number of the `step` that raised it.
    "chunk": `completed` items of a generator, of its attempt number `step`; more follows.
    "overdue": item `completed` of the batch took too long at `step`, in attempt number `attempt`; its worker was
    killed.
    "lost": the worker ended, with `exitcode`; `started` tells whether the work may have begun, `hint` why it ended as
    far as that is known, and `step` at which step it was if the worker had to announce it.

    `reading` is there if the steps are timed. `item_failures` are items that failed without ending the run. `partial`
    stays with the workers; `missing_partials` are the positions of those that were to be combined and are gone.
    """

    seq: int
    kind: ResultKind
    completed: int = 0
    step: int = -1
    seconds: float = 0.0
    payload: Packed = ()
    worker: int | None = None
    started: bool = True
    exitcode: int | None = None
    error: BaseException | None = None
    hint: str = ""
    reading: TimerReading | None = None
    item_failures: Sequence[ItemFailure] = ()
    attempt: int = 1
    partial: PartialRef | None = None
    missing_partials: Sequence[int] = ()
    traceback: str = ""
