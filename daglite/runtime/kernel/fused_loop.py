"""A stream's flat loop, compiled: nothing stands between an item and the user's functions. `daglite.codegen` writes it.

What failed is known from the line that was running, so a run without errors pays nothing for good messages.
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


# What a step gives for an item that it drops.
SKIPPED: Final = _SkippedItem()


@record(eq=True)
class FusedLoop:
    """The loop for one shape, as text and compiled."""

    source: str
    places: tuple[LineAction, ...]
    first_line: int
    function: FunctionType

    def run(self, *arguments: Any, failed: Callable[..., NoReturn]) -> tuple[Any, int]:
        """Take items through; gives the value and how many came.

        The arguments are `items, start, value, calls, savers, save_item, snap, end`; `start` is the index of the first
        item. When something raises, `failed(error, place, index, item, x)` says so and raises.
        """
        found: tuple[Any, int] = self.function(*arguments, _LoopFrame(self, failed))
        return found

    def items(self, *arguments: Any, failed: Callable[..., NoReturn]) -> Iterator[object]:
        """The results one by one, of a loop that yields them; the arguments are those of `run`."""
        found: Iterator[object] = self.function(*arguments, _LoopFrame(self, failed))
        return found

    def running(self) -> tuple[LineAction, int] | None:
        """Where the loop is, when called by something that it called: the place and the index of the item."""
        frame: FrameType | None = sys._getframe(1)
        while frame is not None and frame.f_code is not self.function.__code__:
            frame = frame.f_back
        return None if frame is None else self.position(frame)

    def position(self, frame: FrameType) -> tuple[LineAction, int]:
        """Where a loop of this shape is, by its frame."""
        known = frame.f_locals
        index = known["index"] if "index" in known else known["start"] + _gone(known["ticks"]) - 1
        return self.places[frame.f_lineno - self.first_line], index


class _LoopFrame:
    """What a loop calls when something raises. By it others find the loop, and whoever runs it, from its frame."""

    __slots__ = ("_failed", "_loop")

    def __init__(self, loop: FusedLoop, failed: Callable[..., NoReturn]) -> None:
        self._loop = loop
        self._failed = failed

    def __call__(self, error: BaseException, line: int, index: int, item: object, x: object) -> NoReturn:
        self._failed(error, self._loop.places[line - self._loop.first_line], index, item, x)
        raise AssertionError("an error was swallowed")

    def at_work(self, frame: FrameType) -> CurrentCall | None:
        """What the loop is at; whoever runs it knows steps and indices."""
        owner: Any = getattr(self._failed, "__self__", None)
        found: CurrentCall | None = owner.at_work(*self._loop.position(frame))
        return found


@functools.lru_cache(maxsize=64)
def compile_loop(shape: LoopShape) -> FusedLoop:
    """Write and compile the loop for streams of this shape."""
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
    """Ticks for `compress`, which takes one for each item that comes."""
    return repeat(True, sys.maxsize)


def _gone(ticks: repeat[bool]) -> int:
    """How many have been taken: the iterator knows how many are left."""
    return sys.maxsize - length_hint(ticks)
