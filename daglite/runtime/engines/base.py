"""What an engine is: it carries opaque chunks to workers and brings back replies, and knows nothing else.

Window, order, retries, saves and the shape of errors belong to the coordinator's loop.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from typing import Literal, NamedTuple, Protocol, TypeAlias

from daglite.functions import Function
from daglite.runtime.kernel.steps import BoundStep
from daglite.runtime.kernel.work import WorkItem, WorkResult
from daglite.runtime.serialization.codec import ItemCodec

# How a worker came to its end before the run did: its own death, a time limit, or all the items that it may take.
WorkerEndReason = Literal["died", "overdue", "renewed"]
# Whoever wants to know of workers: told of one with its exit code and why it ended, or, with None and None, began.
WorkerListener: TypeAlias = Callable[[int, int | None, WorkerEndReason | None], None]


class _ThreadRole(threading.local):
    """`helping` is True on the helper thread of a stream: the caller may be anywhere in the user's code, holding any
    lock, so nothing may be forked from there.
    """

    helping = False


THREAD_ROLE = _ThreadRole()


class BatchPolicy(NamedTuple):
    """What suits an engine: seconds of work in a batch, the same where items are cheap, most bytes of a batch, and the
    bytes of an item that travels alone.
    """

    aim: float
    cheap_aim: float
    most_bytes: int
    alone_bytes: int


# Of workers on this machine.
HERE = BatchPolicy(0.002, 0.00025, 256 * 1024, 64 * 1024)


class Engine(Protocol):
    """An open engine. All calls come from one thread at a time, except `wake`."""

    @property
    def workers(self) -> int:
        """How many workers there are."""
        ...

    @property
    def batch_policy(self) -> BatchPolicy:
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

    def submit(self, work_item: WorkItem) -> None:
        """Choose a worker for a chunk; never blocks. Only when `free()` (for an exclusive chunk: `idle()`)."""
        ...

    def flush(self) -> None:
        """Send what was submitted: several chunks for one worker wake it once."""
        ...

    def ready(self, timeout: float | None) -> Sequence[WorkResult]:
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

    def alert(self, other: Engine | None) -> None:
        """From now on an answer that comes here ends a wait of the other session; None: of no other."""
        ...

    def poll_timeout(self, timeout: float | None) -> float | None:
        """How long a wait for all sessions may be, at most `timeout`, because of what this one must see to."""
        ...

    def listen(self, listener: WorkerListener | None) -> None:
        """Tell `listener` of each worker there is, and of each that starts or ends from now on; None: tell nobody."""
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
