"""Where a task is: which step calls it, on which item. Found out when it asks, so that others pay nothing for it.

Who calls a user's function for an item stands on the stack below it. Functions that do so are registered with what
reads their frames; code that calls for many items at a time sets `NOW` for each of them instead.
"""

from __future__ import annotations

import struct
import sys
import threading
from collections.abc import Callable
from contextvars import ContextVar
from types import CodeType, FrameType
from typing import TYPE_CHECKING, NamedTuple, TypeAlias

from daglite.exceptions import ExecutionError
from daglite.lazy import lazy

if TYPE_CHECKING:
    import hashlib
else:
    hashlib = lazy("hashlib")


_PAIR = struct.Struct("<QQ")
_ALL = 2**64


class CurrentCall(NamedTuple):
    """A call of a user's function: by which step, on which item (None: a single call), and where that stands.

    `seed` is that of the run, `spot` a number that tells the step from others in any form of the plan. `place` is
    where the item stands in its stream: its index, unless items before it have been dropped.
    """

    task: str
    seed: int
    spot: int
    item: int | None
    place: int = 0


# Tells from a frame what is at work there; None where it is nothing that has an item.
Reader: TypeAlias = Callable[[FrameType], CurrentCall | None]

NOW: ContextVar[CurrentCall | None] = ContextVar("daglite_at_work", default=None)

_readers: dict[CodeType, Reader] = {}
# The frame that waits for this thread, where a task runs on a thread of ours that is not the one of its caller.
behind = threading.local()


def registered(function: Callable[..., object], reader: Reader) -> None:
    """From now on `reader` is asked about frames of `function`."""
    _readers[function.__code__] = reader


def at_work() -> CurrentCall | None:
    """What is at work on this thread, or None when no task is."""
    found = NOW.get()
    if found is not None:
        return found
    stacks: tuple[FrameType | None, ...] = (sys._getframe(1), getattr(behind, "frame", None))
    for frame in stacks:
        while frame is not None:
            reader = _readers.get(frame.f_code)
            if reader is not None:
                return reader(frame)
            frame = frame.f_back
    return None


def item_seed() -> int:
    """A seed for the item at which the running task is: from the seed of the run, the step and the item's index.

    A whole number from 0 to 2**64 - 1.

    It is the same whatever the runtime, the workers, the batches and the attempts are. The generator of a stream and a
    single call have one for the whole of it. Raises `ExecutionError` outside a task, in a fold, and on threads that
    the task has started.

    >>> import random
    >>> from daglite import item_seed, task
    >>> @task
    ... def roll(die: str) -> int:
    ...     return random.Random(item_seed()).randint(1, 6)
    >>> rolls = roll.map(die=["first", "second"])
    >>> rolls.run(runtime="inline") == rolls.run(runtime="inline", seed=0)
    True
    """
    found = at_work()
    if found is None:
        raise ExecutionError(
            "`item_seed` needs a running task: call it inside one, on the thread that runs it; a fold has no item of "
            "its own, so draw in the task before it"
        )
    return _mixed(_mixed(found.seed % _ALL, found.spot), 0 if found.item is None else found.item)


def spot_of(task: str, depth: int, twin: int) -> int:
    """A number for a step, known by its task, how many steps lead to it, and which of those alike it is."""
    return _mixed(depth, twin, task.encode())


def _mixed(one: int, other: int, text: bytes = b"") -> int:
    return int.from_bytes(hashlib.blake2b(_PAIR.pack(one, other) + text, digest_size=8).digest(), "little")
