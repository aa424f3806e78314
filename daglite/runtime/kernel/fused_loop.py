"""Compile the loop of a stream, which calls the user's functions directly. `daglite.codegen` writes its source.

The line that was running tells what failed, so a run without errors pays nothing for precise messages.
"""

from __future__ import annotations

import functools
import sys
from collections.abc import Callable, Iterator
from itertools import compress, repeat
from operator import length_hint
from types import FrameType, FunctionType
from typing import Any, Final, NoReturn, cast

from daglite.codegen import STREAM_FILE, LineAction, LoopShape, write_loop
from daglite.records import record
from daglite.runtime.kernel.chunked_results import parts_of
from daglite.runtime.serialization.batch_format import PLAIN
from daglite.task_context import CurrentCall, register_reader


class _SkippedItem:
    def __repr__(self) -> str:
        return "SKIPPED"


# The value of a step for an item that it drops.
SKIPPED: Final = _SkippedItem()


@record(eq=True)
class FusedLoop:
    """The loop for one shape, as source and compiled; `places` are the actions of its lines from `first_line` on."""

    source: str
    places: tuple[LineAction, ...]
    first_line: int
    function: FunctionType

    def run(self, *arguments: Any, failed: Callable[..., NoReturn]) -> tuple[Any, int]:
        """Take items through; return the value and the number of items.

        The arguments are `items, start, value, calls, savers, save_item, snap, end`; `start` is the index of the first
        item. When something raises, `failed(error, action, index, item, x)` is called, and raises.
        """
        found: tuple[Any, int] = self.function(*arguments, _LoopFrame(self, failed))
        return found

    def items(self, *arguments: Any, failed: Callable[..., NoReturn]) -> Iterator[object]:
        """Return the results of a loop that yields them; the arguments are those of `run`."""
        found: Iterator[object] = self.function(*arguments, _LoopFrame(self, failed))
        return found

    def running(self) -> tuple[LineAction, int] | None:
        """Return the action and the index of the item, when called from something that the loop has called."""
        frame: FrameType | None = sys._getframe(1)
        while frame is not None and frame.f_code is not self.function.__code__:
            frame = frame.f_back
        return None if frame is None else self.position(frame)

    def position(self, frame: FrameType) -> tuple[LineAction, int]:
        """Return the action and the index of the item of a loop of this shape, by its frame."""
        known = frame.f_locals
        index = known["index"] if "index" in known else known["start"] + _gone(known["ticks"]) - 1
        return self.places[frame.f_lineno - self.first_line], index


class _LoopFrame:
    """The `failed` of a loop. It is found in the frame of the loop, and leads to the loop and to its owner."""

    __slots__ = ("_failed", "_loop")

    def __init__(self, loop: FusedLoop, failed: Callable[..., NoReturn]) -> None:
        self._loop = loop
        self._failed = failed

    def __call__(self, error: BaseException, line: int, index: int, item: object, x: object) -> NoReturn:
        try:
            self._failed(error, self._loop.places[line - self._loop.first_line], index, item, x)
        finally:
            # Its traceback refers to this frame.
            del error
        raise AssertionError("`failed` must raise")

    def at_work(self, frame: FrameType) -> CurrentCall | None:
        """Return the call that the loop makes; its owner knows the steps and indices."""
        owner: Any = getattr(self._failed, "__self__", None)
        found: CurrentCall | None = owner.at_work(*self._loop.position(frame))
        return found


@functools.lru_cache(maxsize=64)
def compile_loop(shape: LoopShape) -> FusedLoop:
    """Write and compile the loop for a shape."""
    written = write_loop(shape)
    made: dict[str, object] = {
        "PLAIN": PLAIN,
        "SKIPPED": SKIPPED,
        "compress": compress,
        "new_ticks": _new_ticks,
        "gone": _gone,
        "parts": parts_of,
    }
    exec(compile(written.source, STREAM_FILE, "exec"), made)
    function = cast("FunctionType", made["loop"])
    register_reader(function, _at_work)
    return FusedLoop(written.source, written.places, written.first_line, function)


def _at_work(frame: FrameType) -> CurrentCall | None:
    placed: _LoopFrame = frame.f_locals["failed"]
    return placed.at_work(frame)


def _new_ticks() -> repeat[bool]:
    """Return ticks for `compress`, which takes one for each item."""
    return repeat(True, sys.maxsize)


def _gone(ticks: repeat[bool]) -> int:
    """Return how many ticks have been taken; the iterator knows how many are left."""
    return sys.maxsize - length_hint(ticks)
