"""What an engine is: it carries opaque chunks to workers and brings back replies, and knows nothing else.

Window, order, retries, saves and the shape of errors belong to the coordinator's loop.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Literal, NamedTuple, Protocol, TypeAlias

from daglite.functions import Function
from daglite.runtime.chain import BoundStep
from daglite.runtime.codec import ItemCodec, Packed
from daglite.runtime.streams.sending.batch import Pace
from daglite.runtime.trying import Mishap, Spent
from daglite.runtime.watching.tally import Reading

__all__ = ["Chunk", "ChunkKind", "EndedBy", "Hear", "Held", "Notes", "Reply", "ReplyKind", "Session"]

# A batch of items; a generator to be drained into a list; the same standing in for `.iter()`; parts to be put together.
ChunkKind = Literal["batch", "generate", "stream", "combine"]
ReplyKind = Literal["done", "failed", "piece", "lost", "overdue"]
# How a worker came to its end before the run did: its own death, a time limit, or all the items that it may take.
EndedBy = Literal["died", "overdue", "renewed"]
# Whoever wants to know of workers: told of one with its exit code and why it ended, or, with None and None, began.
Hear: TypeAlias = Callable[[int, int | None, EndedBy | None], None]


class Notes(NamedTuple):
    """What a worker must know of a batch besides its items, now and then.

    `indices` are what its items are known by, where that is not their place in the stream. `spent` are attempts at its
    only item that ended with their worker, `suspect` says that this one may do so as well. `single`: it is a call that
    has no item.
    """

    indices: Sequence[int] | None = None
    spent: tuple[Spent, ...] = ()
    suspect: bool = False
    single: bool = False


class Held(NamedTuple):
    """The part of a fold that stays with the workers, by a number that its session knows."""

    ticket: int
    nbytes: int


class Chunk(NamedTuple):
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
    kind: ChunkKind
    segments: Packed
    items: int = 1
    first: int = 0
    exclusive: bool = False
    light: bool = False
    worker: int | None = None
    notes: Notes | None = None
    keep: int | None = None
    parts: Sequence[Held] = ()


class Reply(NamedTuple):
    """What came of a chunk.

    `done` items are done and packed in `segments`. For "failed", `error` is what to raise and the text of its
    traceback in the worker, and `step` the number of the step that raised it. "piece" is a part of a generated list,
    more follows (`done` items of attempt `step`). "overdue" means that item `done` of the chunk took too long at step
    `step`, and its worker was killed. "lost" means that the worker ended: `started` tells whether it may have begun,
    `exitcode` how it ended, and `hint` why, as far as that is known; `step` is that at which it was, where it had been
    asked to tell. An "overdue" call was attempt number `attempt`. `reading` is there when the steps are clocked.
    `mishaps` are items that failed without ending the run. `held` is a part that stays with the workers; where parts
    could not be put together, `missing` are the numbers of those that are gone.
    """

    seq: int
    kind: ReplyKind
    done: int = 0
    step: int = -1
    seconds: float = 0.0
    segments: Packed = ()
    worker: int | None = None
    started: bool = True
    exitcode: int | None = None
    error: tuple[BaseException, str] | None = None
    hint: str = ""
    reading: Reading | None = None
    mishaps: Sequence[Mishap] = ()
    attempt: int = 1
    held: Held | None = None
    missing: Sequence[int] = ()


class Session(Protocol):
    """An open engine. All calls come from one thread at a time, except `wake`."""

    @property
    def workers(self) -> int:
        """How many workers there are."""
        ...

    @property
    def pace(self) -> Pace:
        """How large batches should be."""
        ...

    @property
    def codec(self) -> ItemCodec:
        """What makes the cells of chunks, and reads those of replies."""
        ...

    @property
    def keeps(self) -> bool:
        """Whether parts of folds may stay with the workers, and be put together there."""
        ...

    def resumes(self, function: Function) -> bool:
        """Whether a worker can go on with what this function has begun in an earlier chunk."""
        ...

    def install(self, steps: Sequence[BoundStep]) -> int:
        """Make a program known and number it; it reaches each worker once, before the first chunk that needs it.

        Raises `TransferError` when something of it cannot reach a worker.
        """
        ...

    def forget(self, program: int) -> None:
        """The program is not needed any more."""
        ...

    def free(self) -> int:
        """How many more chunks may be submitted now."""
        ...

    def idle(self) -> bool:
        """Whether a worker has nothing to do."""
        ...

    def most(self) -> int | None:
        """Most items that a chunk may hold now; None when there is no limit."""
        ...

    def submit(self, chunk: Chunk) -> None:
        """Choose a worker for a chunk; never blocks. Only when `free()` (for an exclusive chunk: `idle()`)."""
        ...

    def flush(self) -> None:
        """Send what was submitted: several chunks for one worker wake it once."""
        ...

    def ready(self, timeout: float | None) -> Sequence[Reply]:
        """Replies that are here, waiting up to `timeout` seconds (None: until there is one, or `wake`)."""
        ...

    def wake(self) -> None:
        """Make a `ready` that waits in another thread return."""
        ...

    @property
    def attends(self) -> bool:
        """Whether its wait can also be ended by what `attend` is given."""
        ...

    def attend(self, fd: int, *, on: bool) -> None:
        """End a wait here also when there is something to be read at `fd`, or no more."""
        ...

    def alert(self, other: Session | None) -> None:
        """From now on an answer that comes here ends a wait of the other session; None: of no other."""
        ...

    def patience(self, timeout: float | None) -> float | None:
        """How long a wait for all sessions may be, at most `timeout`, because of what this one must see to."""
        ...

    def listen(self, hear: Hear | None) -> None:
        """Tell `hear` of each worker there is, and of each that starts or ends from now on; None: tell nobody."""
        ...

    def abandon(self) -> None:
        """Stop what is under way; no reply to it will come."""
        ...

    def recycle(self) -> None:
        """Make the engine fit for another run: nothing of this one is left in it."""
        ...

    def close(self) -> None:
        """End the engine and everything it started."""
        ...
