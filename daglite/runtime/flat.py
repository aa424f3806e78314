"""A stream's flat loop, compiled: nothing stands between an item and the user's functions. `daglite.loop` writes it.

What failed is known from the line that was running, so a run without errors pays nothing for good messages.
"""

from __future__ import annotations

import functools
import sys
from collections.abc import Callable
from itertools import compress, repeat
from operator import length_hint
from types import FrameType, FunctionType
from typing import Any, Final, NoReturn, cast

from daglite.here import AtWork, registered
from daglite.loop import Place, Shape, write_loop
from daglite.records import record
from daglite.runtime.travel.cells import PLAIN

__all__ = ["FlatLoop", "SKIPPED", "STREAM_FILE", "flat_loop"]

# What a traceback shows as the file of a loop.
STREAM_FILE = "<daglite stream>"


class _Skipped:
    def __repr__(self) -> str:
        return "SKIPPED"


# What a step gives for an item that it drops.
SKIPPED: Final = _Skipped()


@record(eq=True)
class FlatLoop:
    """The loop for one shape, as text and compiled."""

    source: str
    places: tuple[Place, ...]
    first_line: int
    function: FunctionType

    def run(self, *arguments: Any, failed: Callable[..., NoReturn]) -> tuple[Any, int]:
        """Take items through; gives the value and how many came.

        The arguments are `items, start, value, calls, savers, save_item, snap, end`; `start` is the index of the first
        item. When something raises, `failed(error, place, index, item, x)` says so and raises.
        """

        def placed(error: BaseException, line: int, index: int, item: object, x: object) -> NoReturn:
            failed(error, self.places[line - self.first_line], index, item, x)

        found: tuple[Any, int] = self.function(*arguments, placed)
        return found

    def running(self) -> tuple[Place, int] | None:
        """Where the loop is, when called by something that it called: the place and the index of the item."""
        frame: FrameType | None = sys._getframe(1)
        while frame is not None and frame.f_code is not self.function.__code__:
            frame = frame.f_back
        return None if frame is None else self.position(frame)

    def position(self, frame: FrameType) -> tuple[Place, int]:
        """Where a loop of this shape is, by its frame."""
        known = frame.f_locals
        index = known["index"] if "index" in known else known["start"] + _gone(known["ticks"]) - 1
        return self.places[frame.f_lineno - self.first_line], index


@functools.lru_cache(maxsize=64)
def flat_loop(shape: Shape) -> FlatLoop:
    """Write and compile the loop for streams of this shape."""
    written = write_loop(shape)
    made: dict[str, object] = {"PLAIN": PLAIN, "compress": compress, "new_ticks": _new_ticks, "gone": _gone}
    made["SKIPPED"] = SKIPPED
    exec(compile(written.source, STREAM_FILE, "exec"), made)
    function = cast("FunctionType", made["loop"])
    registered(function, _at_work)
    return FlatLoop(written.source, written.places, written.first_line, function)


def _at_work(frame: FrameType) -> AtWork | None:
    """What a loop is at. Whoever runs it, in `FlatLoop.run` below it, knows steps and indices."""
    below = frame.f_back
    assert below is not None
    running = below.f_locals
    found: AtWork | None = running["failed"].__self__.at_work(*running["self"].position(frame))
    return found


def _new_ticks() -> repeat[bool]:
    """Ticks for `compress`, which takes one for each item that comes."""
    return repeat(True, sys.maxsize)


def _gone(ticks: repeat[bool]) -> int:
    """How many have been taken: the iterator knows how many are left."""
    return sys.maxsize - length_hint(ticks)
