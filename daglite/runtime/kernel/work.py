"""The records that cross between coordinator and workers: a work item on the way out, a work result on the way back."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, NamedTuple

from daglite.runtime.kernel.retry import FailedAttempts, ItemFailure
from daglite.runtime.kernel.timers import TimerReading
from daglite.runtime.serialization.codec import Packed

# A batch of items; a generator to be drained into a list; the same standing in for `.iter()`; parts to be put together.
WorkKind = Literal["batch", "generate", "stream", "combine"]
ResultKind = Literal["done", "failed", "piece", "lost", "overdue"]


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

    It holds `items` consecutive items, the first with index `first`. An `exclusive` chunk has its worker to itself:
    nothing cheap waits behind it, and nobody else is blamed for it. A `light` one is done sooner by a worker that is at
    work already than by one that has to be woken. One for a `worker` goes to nobody else: it goes on with what that one
    has begun; if there is no such worker any more, it is lost.

    A part that takes `keep` bytes or more stays with the workers; None: it comes back, whatever it takes. `parts` are
    those that are to be put together.
    """

    seq: int
    program: int
    kind: WorkKind
    segments: Packed
    items: int = 1
    first: int = 0
    exclusive: bool = False
    light: bool = False
    worker: int | None = None
    notes: BatchContext | None = None
    keep: int | None = None
    parts: Sequence[PartialRef] = ()


class WorkResult(NamedTuple):
    """What came of a chunk.

    `done` items are done and packed in `segments`. For "failed", `error` is what to raise and the text of its
    traceback in the worker, and `step` the number of the step that raised it. "piece" is a part of a generated list,
    more follows (`done` items of attempt `step`). "overdue" means that item `done` of the chunk took too long at step
    `step`, and its worker was killed. "lost" means that the worker ended: `started` tells whether it may have begun,
    `exitcode` how it ended, and `hint` why, as far as that is known; `step` is that at which it was, where it had been
    asked to tell. An "overdue" call was attempt number `attempt`. `reading` is there when the steps are clocked.
    `item_failures` are items that failed without ending the run. `held` is a part that stays with the workers; where parts
    could not be put together, `missing` are the numbers of those that are gone.
    """

    seq: int
    kind: ResultKind
    done: int = 0
    step: int = -1
    seconds: float = 0.0
    segments: Packed = ()
    worker: int | None = None
    started: bool = True
    exitcode: int | None = None
    error: tuple[BaseException, str] | None = None
    hint: str = ""
    reading: TimerReading | None = None
    item_failures: Sequence[ItemFailure] = ()
    attempt: int = 1
    held: PartialRef | None = None
    missing: Sequence[int] = ()
