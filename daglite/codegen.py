"""Write the steps of a stream as one flat loop: the text, and the action of each of its lines. Pure; runs nothing.

For `rows.iter(...).then(double).reduce(add, initial=0)` the loop reads

    for item in compress(items, ticks):
        x = call_0(item)
        value = end(value, x)

Items are counted by `ticks` that run out beside them, which costs half of what `enumerate` does; where a line needs
the index of each item the loop is `for index, item in enumerate(items, start)`. The code depends only on the shape of
the stream; streams of one shape share it. The runtime compiles it, and `explain("source")` prints it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple, Protocol

from daglite.functions import Function
from daglite.program import Segment, Step, StreamStage

# The file name that a traceback shows for a generated loop.
STREAM_FILE = "<daglite stream>"
_HEAD = "def loop(items, start, value, calls, savers, save_item, snap, end, failed):"
_INDEX = "start + gone(ticks) - 1"
_END = {
    "fold": "    value = end(value, {x})",
    "each": "    end({x})",
    "numbered": "    end(index, {x})",
    "cells": "    append({x} if type({x}) in PLAIN else capture({x}))",
    "yield": "    yield {x}",
}


class LoopShape(NamedTuple):
    """The properties of a stream on which the code depends.

    - `saves`: for each step whether it saves; `saves_items`: items are saved; `snaps`: items are captured first.
    - `end`: a fold ("fold"), takes one result at a time ("each"), with its index ("numbered"), is the pair of `append`
      and `capture` for results that leave this process ("cells"), or yields results for the operation that comes
      next ("yield").
    - `copies`: items and results are copied as if they had been on a worker. `snap` is a pair then; each of the two
      returns the type of values that need no copy.
    - `filters`, `skips`: the steps that may drop an item, and those that skip items at which they fail; then `mark`
      counts the cells of each item.
    - `ends`: the loop asks `full` after each result whether to stop.
    - `spreads`: the step whose result is unbatched, item by item for what comes next, or in chunks.
    """

    saves: tuple[bool, ...]
    end: Literal["fold", "each", "numbered", "cells", "yield"]
    saves_items: bool = False
    snaps: bool = False
    copies: bool = False
    filters: frozenset[int] = frozenset()
    ends: bool = False
    spreads: int | None = None
    skips: frozenset[int] = frozenset()

    @property
    def counts(self) -> bool:
        """Whether some line needs the index of each item."""
        taken = self.saves_items or self.snaps
        return taken or any(self.saves) or self.end == "numbered"

    @property
    def marks(self) -> bool:
        """Whether the end must be told which cells belong to which item."""
        return self.end == "cells" and bool(self.filters or self.skips)


class LineAction(NamedTuple):
    """The action of a line: the source yields, an item is saved or captured, a step is called or saved, the result is
    copied, or it reaches the end.
    """

    kind: Literal["source", "item", "call", "save", "result", "end"]
    step: int = 0


@dataclass(frozen=True, slots=True)
class LoopSource:
    """The loop for one shape as text; `places` has the action of each line from `first_line` on."""

    source: str
    places: tuple[LineAction, ...]
    first_line: int


def inline_shape(stage: StreamStage, segment: Segment) -> LoopShape:
    """Return the shape of a segment whose items stay in the coordinator, up to the sink or the next operation."""
    links, last = segment.links, segment is stage.last
    first = segment is stage.segments[0] and not segment.operations
    return LoopShape(
        tuple(bool(link.saves) for link in links),
        ("fold" if stage.sink == "reduce" else "each") if last else "yield",
        # An operation that comes first saves the items of the source.
        saves_items=first and isinstance(stage.source, Step) and bool(stage.source.saves),
        filters=filters_of(links),
        ends=last and stage.max_results is not None,
        spreads=spreading(links),
        skips=skips_of(links),
    )


def worker_shape(stage: StreamStage, segment: Segment) -> LoopShape:
    """Return the shape of a segment in a worker.

    The last result is sent back anyway, so only other results are tapped. Where workers fold, only saved results are
    sent back.
    """
    links = segment.links
    saves = [bool(link.saves) for link in links]
    if segment is stage.last and stage.folds_on_workers:
        return LoopShape(tuple(saves), "fold", spreads=spreading(links))
    return LoopShape((*saves[:-1], False), "cells", filters=filters_of(links), skips=skips_of(links))


class LoopStep(Protocol):
    """A step of a loop: of a program, or bound for a worker."""

    @property
    def function(self) -> Function: ...
    @property
    def filters(self) -> bool: ...
    @property
    def spreads(self) -> bool: ...


def filters_of(steps: Sequence[LoopStep]) -> frozenset[int]:
    """Return the positions of the filters among the steps."""
    return frozenset([position for position, step in enumerate(steps) if step.filters])


def skips_of(steps: Sequence[LoopStep]) -> frozenset[int]:
    """Return the positions of the steps, filters aside, that drop items at which they fail."""
    return frozenset([place for place, step in enumerate(steps) if step.function.skips and not step.filters])


def spreading(steps: Sequence[LoopStep]) -> int | None:
    """Return the position of the step whose results are unbatched."""
    return next((position for position, step in enumerate(steps) if step.spreads), None)


def write_loop(shape: LoopShape) -> LoopSource:
    """Write the loop for streams of this shape."""
    head = "index, item in enumerate(items, start)" if shape.counts else "item in compress(items, ticks)"
    # Where only some items need their index, it is computed for those.
    index = "index" if shape.counts else _INDEX
    lines = [(f"for {head}:", LineAction("source"))]
    if shape.saves_items:
        lines.append(("    save_item(index, item)", LineAction("item")))
    if shape.snaps:
        lines.append(("    item = snap(index, item)", LineAction("item")))
    if shape.copies:
        lines.append((f"    if kind(item) is not known: known, item = snap({index}, item)", LineAction("item")))
    x = "item"
    cells = 0
    outside: list[tuple[str, LineAction]] = []
    for step, saves in enumerate(shape.saves):
        drop = [("        continue", LineAction("end"))]
        if shape.marks:
            drop.insert(0, (f"        mark({cells})", LineAction("end")))
        if step in shape.filters:
            lines += [(f"    if not call_{step}({x}):", LineAction("call", step)), *drop]
        else:
            lines.append((f"    x = call_{step}({x})", LineAction("call", step)))
            x = "x"
            if step in shape.skips:
                lines += [("    if x is SKIPPED:", LineAction("end")), *drop]
        if saves:
            lines.append((f"    save_{step}(index, {x})", LineAction("save", step)))
            cells += 1
        if step == shape.spreads and shape.end not in ("cells", "yield"):
            outside, lines = [*lines, ("    for x in x:", LineAction("call", step))], []
    last, inner = len(shape.saves) - 1, ""
    if shape.end == "yield" and shape.spreads is not None:
        lines.append((f"    for x in parts({x}):", LineAction("call", last)))
        inner = "    "
    if shape.copies and shape.saves:
        copied = f"    if kind({x}) is not usual: usual, {x} = keep({index}, {x})"
        lines.append((inner + copied, LineAction("result", last)))
    lines.append((inner + _END[shape.end].format(x=x), LineAction("end")))
    if shape.marks:
        lines.append((f"    mark({cells + 1})", LineAction("end")))
    if shape.ends:
        lines += [("    if full():", LineAction("end")), ("        break", LineAction("end"))]
    lines = [*outside, *((f"    {line}", place) for line, place in lines)] if outside else lines
    return _framed(shape, lines, x)


def _framed(shape: LoopShape, lines: list[tuple[str, LineAction]], x: str) -> LoopSource:
    """Return the function around the lines: names for its arguments, and the handler of errors."""
    calls = "".join(f"call_{step}, " for step in range(len(shape.saves)))
    saves = "".join(f"save_{step}, " for step, one in enumerate(shape.saves) if one)
    pair = "append, capture" if shape.end == "cells" else ""
    pair += ", mark" if shape.marks else ""
    pair = "end, full" if shape.ends else pair
    copies = "snap, keep" if shape.copies else ""
    unpack = [
        f"({names}) = {of}"
        for names, of in ((calls, "calls"), (saves, "savers"), (copies, "snap"), (pair, "end"))
        if names
    ]
    # A local name is read faster than a global one.
    kinds = ["    kind, known, usual = type, int, int"] if shape.copies else []
    names = "index, item, x = start - 1, None, None" if shape.counts else "ticks, item, x = new_ticks(), None, None"
    top = [_HEAD, *(f"    {line}" for line in unpack), *kinds, f"    {names}", "    try:"]
    body = [f"        {line}" for line, _ in lines]
    index, count = ("index", "index + 1 - start") if shape.counts else (_INDEX, "gone(ticks)")
    tail = [
        "    except BaseException as error:",
        f"        failed(error, error.__traceback__.tb_lineno, {index}, item, {x})",
        f"    return value, {count}",
    ]
    return LoopSource("\n".join([*top, *body, *tail]), tuple(place for _, place in lines), len(top) + 1)
