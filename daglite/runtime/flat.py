"""A stream's steps written out as one flat loop: nothing stands between an item and the user's functions.

For `rows.iter(...).then(double).reduce(add, initial=0)` the loop reads

    for index, item in enumerate(items, start):
        x = call_0(item)
        value = end(value, x)

What failed is known from the line that was running, so a run without errors pays nothing for good messages. The code
depends only on the shape of the stream; streams of one shape share it.
"""

from __future__ import annotations

import functools
import sys
from collections.abc import Callable
from types import FrameType, FunctionType
from typing import Any, Literal, NamedTuple, NoReturn, cast

from daglite.records import record
from daglite.runtime.cells import SCALARS

__all__ = ["FlatLoop", "Place", "STREAM_FILE", "Shape", "flat_loop"]

# What a traceback shows as the file of a loop written here.
STREAM_FILE = "<daglite stream>"

_HEAD = "def loop(items, start, value, calls, savers, save_item, snap, end, failed):"


class Shape(NamedTuple):
    """What the code depends on: which steps save, whether items are saved or captured first, and what the end does.

    `end` is a fold ("fold"), takes one result at a time ("each"), or is the pair of `append` and `capture` for results
    that leave this process ("cells").
    """

    saves: tuple[bool, ...]
    end: Literal["fold", "each", "cells"]
    saves_items: bool = False
    snaps: bool = False


class Place(NamedTuple):
    """What a line does: the source yields, an item is saved or captured, step `step` is called or saved, the end."""

    kind: Literal["source", "item", "call", "save", "end"]
    step: int = 0


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
        if frame is None:
            return None
        return self.places[frame.f_lineno - self.first_line], frame.f_locals["index"]


@functools.lru_cache(maxsize=64)
def flat_loop(shape: Shape) -> FlatLoop:
    """Write and compile the loop for streams of this shape."""
    lines = [("for index, item in enumerate(items, start):", Place("source"))]
    if shape.saves_items:
        lines.append(("    save_item(index, item)", Place("item")))
    if shape.snaps:
        lines.append(("    item = snap(index, item)", Place("item")))
    x = "item"
    for step, saves in enumerate(shape.saves):
        lines.append((f"    x = call_{step}({x})", Place("call", step)))
        x = "x"
        if saves:
            lines.append((f"    save_{step}(index, x)", Place("save", step)))
    lines.append((_END[shape.end].format(x=x), Place("end")))
    return _compiled(shape, lines, x)


_END = {
    "fold": "    value = end(value, {x})",
    "each": "    end({x})",
    "cells": "    append({x} if type({x}) in SCALARS else capture({x}))",
}


def _compiled(shape: Shape, lines: list[tuple[str, Place]], x: str) -> FlatLoop:
    calls = "".join(f"call_{step}, " for step in range(len(shape.saves)))
    saves = "".join(f"save_{step}, " for step, one in enumerate(shape.saves) if one)
    pair = "append, capture" if shape.end == "cells" else ""
    unpack = [f"({names}) = {of}" for names, of in ((calls, "calls"), (saves, "savers"), (pair, "end")) if names]
    top = [_HEAD, *(f"    {line}" for line in unpack), "    index, item, x = start - 1, None, None", "    try:"]
    body = [f"        {line}" for line, _ in lines]
    tail = [
        "    except BaseException as error:",
        f"        failed(error, error.__traceback__.tb_lineno, index, item, {x})",
        "    return value, index + 1 - start",
    ]
    source = "\n".join([*top, *body, *tail])
    made: dict[str, object] = {"SCALARS": SCALARS}
    exec(compile(source, STREAM_FILE, "exec"), made)
    places = tuple(place for _, place in lines)
    return FlatLoop(source, places, len(top) + 1, cast("FunctionType", made["loop"]))
