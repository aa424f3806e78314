"""The context of a running task, its step and its item, found when the task asks, so that other calls cost nothing.

The function that calls a task for an item is on the stack below the task. Such functions are registered with a
reader of their frames; code that runs several items at a time sets `CURRENT` for each of them instead.
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
    """A call of a user's function: the task, and the index of its item in the source (None: a single call).

    `seed` is that of the run; `step_id` identifies the step in every form of the plan. `place` is the position of the
    item in its stream: its index, unless items before it were dropped.
    """

    task: str
    seed: int
    step_id: int
    item: int | None
    place: int = 0


# Return the call that a frame makes; None where it has no item.
Reader: TypeAlias = Callable[[FrameType], CurrentCall | None]

CURRENT: ContextVar[CurrentCall | None] = ContextVar("daglite_current_call", default=None)

_readers: dict[CodeType, Reader] = {}
# Its `frame` is the one that waits for this thread, where a task runs on another thread than its caller.
calling_thread = threading.local()


def register_reader(function: Callable[..., object], reader: Reader) -> None:
    """Read the frames of `function` with `reader` from now on."""
    _readers[function.__code__] = reader


def current_call() -> CurrentCall | None:
    """Return the call of a task that this thread runs, or None outside a task."""
    found = CURRENT.get()
    if found is not None:
        return found
    stacks: tuple[FrameType | None, ...] = (sys._getframe(1), getattr(calling_thread, "frame", None))
    for frame in stacks:
        while frame is not None:
            reader = _readers.get(frame.f_code)
            if reader is not None:
                return reader(frame)
            frame = frame.f_back
    return None


def item_seed() -> int:
    """Return a random seed for the item of the running task, a whole number from 0 to 2**64 - 1.

    It depends on the seed of the run, the step and the item's index, and on nothing else: not on the runtime, the
    workers, the batches or the attempt. The generator of a stream, and a single call, have one seed each. Raises
    `ExecutionError` outside a task, in a fold, and on threads that the task has started.

    >>> import random
    >>> from daglite import item_seed, task
    >>> @task
    ... def roll(die: str) -> int:
    ...     return random.Random(item_seed()).randint(1, 6)
    >>> rolls = roll.map(die=["first", "second"])
    >>> rolls.run(runtime="inline") == rolls.run(runtime="inline", seed=0)
    True
    """
    found = current_call()
    if found is None:
        raise ExecutionError(
            "`item_seed` needs a running task: call it inside one, on the thread that runs it; a fold has no item of "
            "its own, so draw in the task before it"
        )
    return _mixed(_mixed(found.seed % _ALL, found.step_id), 0 if found.item is None else found.item)


def step_id(task: str, depth: int, duplicate: int) -> int:
    """Return a number for a step: of its task, the number of steps before it, and its rank among equal ones."""
    return _mixed(depth, duplicate, task.encode())


def _mixed(one: int, other: int, text: bytes = b"") -> int:
    return int.from_bytes(hashlib.blake2b(_PAIR.pack(one, other) + text, digest_size=8).digest(), "little")
