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
from collections.abc import Callable
from types import FunctionType
from typing import Any, Literal, NamedTuple, cast

__all__ = ["Place", "Shape", "flat_loop"]

_HEAD = "def loop(items, start, value, calls, savers, save_item, snap, end, failed):"


class Shape(NamedTuple):
    """What the code depends on: which steps save, whether items are saved or captured first, how it ends."""

    saves: tuple[bool, ...]
    saves_items: bool
    snaps: bool
    folds: bool


class Place(NamedTuple):
    """What a line does: the source yields, an item is saved or captured, step `step` is called or saved, the end."""

    kind: Literal["source", "item", "call", "save", "end"]
    step: int = 0


class FlatLoop(NamedTuple):
    """`run(items, start, value, calls, savers, save_item, snap, end, failed)` gives the value and how many items came.

    `failed(error, place, index, item, x)` is called with what was raised, and must raise.
    """

    source: str
    run: Callable[..., tuple[Any, int]]


@functools.lru_cache(maxsize=64)
def flat_loop(shape: Shape) -> FlatLoop:
    """Write and compile the loop for streams of this shape."""
    lines: list[tuple[str, Place]] = [("for index, item in enumerate(items, start):", Place("source"))]
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
    lines.append((f"    value = end(value, {x})" if shape.folds else f"    end({x})", Place("end")))
    return _compiled(shape, lines, x)


def _compiled(shape: Shape, lines: list[tuple[str, Place]], x: str) -> FlatLoop:
    calls = "".join(f"call_{step}, " for step in range(len(shape.saves)))
    saves = "".join(f"save_{step}, " for step, one in enumerate(shape.saves) if one)
    unpack = [f"({names}) = {of}" for names, of in ((calls, "calls"), (saves, "savers")) if names]
    top = [_HEAD, *(f"    {line}" for line in unpack), "    index, item, x = start - 1, None, None", "    try:"]
    body = [f"        {line}" for line, _ in lines]
    tail = [
        "    except BaseException as error:",
        f"        failed(error, error.__traceback__.tb_lineno - {len(top) + 1}, index, item, {x})",
        "    return value, index + 1 - start",
    ]
    source = "\n".join([*top, *body, *tail])
    made: dict[str, object] = {}
    exec(compile(source, "<daglite stream>", "exec"), made)
    run = cast("FunctionType", made["loop"])
    places = [place for _, place in lines]

    def loop(*arguments: Any) -> tuple[Any, int]:
        *given, failed = arguments

        def placed(error: BaseException, line: int, index: int, item: object, x: object) -> None:
            failed(error, places[line], index, item, x)

        found: tuple[Any, int] = run(*given, placed)
        return found

    return FlatLoop(source, loop)
