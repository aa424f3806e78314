"""The records that cross between coordinator and workers: a work item on the way out, a work result on the way back."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, NamedTuple

from daglite.runtime.kernel.retry import FailedAttempts, ItemFailure
from daglite.runtime.kernel.timers import TimerReading
from daglite.runtime.serialization.codec import Packed

# A batch of items; a generator to be drained into a list; the same standing in for `.iter()`; parts to be put together.
WorkKind = Literal["batch", "generate", "stream", "combine"]
ResultKind = Literal["done", "failed", "chunk", "lost", "overdue"]


class BatchContext(NamedTuple):
    """What a worker must know of a batch besides its items, now and then.

    `indices` are what its items are known by, where that is not their place in the stream. `failed_attempts` are attempts at its
    only item that ended with their worker, `quarantined` says that this one may do so as well. `single`: it is a call that
    has no item.
    """

    indices: Sequence[int] | None = None
    failed_attempts: tuple[FailedAttempts, ...] = ()
    quarantined: bool = False
    single: bool = False


class PartialRef(NamedTuple):
    """The part of a fold that stays with the workers, by a number that its session knows."""

    ticket: int
    nbytes: int


class WorkItem(NamedTuple):
    """Work for one worker: packed items for an installed program.

    It holds `item_count` consecutive items, the first with index `first_index`. An `exclusive` chunk has its worker to itself:
    nothing cheap waits behind it, and nobody else is blamed for it. A `light` one is done sooner by a worker that is at
    work already than by one that has to be woken. One for a `worker` goes to nobody else: it goes on with what that one
    has begun; if there is no such worker any more, it is lost.

    A part that takes `partial_threshold` bytes or more stays with the workers; None: it comes back, whatever it takes. `partials` are
    those that are to be put together.
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
    """What came of a chunk.

    `completed` items are done and packed in `payload`. For "failed", `error` is what to raise and the text of its
    traceback in the worker, and `step` the number of the step that raised it. "chunk" is a part of a generated list,
    more follows (`completed` items of attempt `step`). "overdue" means that item `completed` of the chunk took too long at step
    `step`, and its worker was killed. "lost" means that the worker ended: `started` tells whether it may have begun,
    `exitcode` how it ended, and `hint` why, as far as that is known; `step` is that at which it was, where it had been
    asked to tell. An "overdue" call was attempt number `attempt`. `reading` is there when the steps are clocked.
    `item_failures` are items that failed without ending the run. `partial` is a part that stays with the workers; where parts
    could not be put together, `missing_partials` are the numbers of those that are gone.
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
    error: tuple[BaseException, str] | None = None
    hint: str = ""
    reading: TimerReading | None = None
    item_failures: Sequence[ItemFailure] = ()
    attempt: int = 1
    partial: PartialRef | None = None
    missing_partials: Sequence[int] = ()
