"""A table as text: one line for each step, data flows down, then the rules that fired. Stable: no ids, no times."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator, Sequence

from daglite.explain.columns import MOST, WIDTH, TableLine, columns, wrapped
from daglite.explain.fold import Line, RowGap, folded
from daglite.explain.table import Table, in_flight_text

# How many streams that were not fused are named.
_MOST_NAMED = 8


def text(table: Table) -> str:
    """The plan on one page."""
    return "\n".join([head(table), *step_lines(folded(table.rows)), *_foot(table), *notes(table)])


def head(table: Table) -> str:
    """The first line: one line always, so that programs can take it off, and no wider than a table may be.

    Where there is too little room the words of the bound go first, then the title, which its last step tells too.
    """
    found = table.fingerprint
    name = found.digest[:8] if found is not None and found.digest else "(no fingerprint)"
    kind = "optimised" if table.optimised else "not optimised"
    bound = f"in flight <= {in_flight_text(table.limits)}"
    short = bound.replace(" items per worker", "/worker")
    for told in (bound, short):
        for gap in ("   ", "  "):
            if len(line := gap.join((f"plan {name}", table.title, kind, told))) <= MOST:
                return line
    room = MOST - len("  ".join((f"plan {name}", "", kind, short)))
    return "  ".join((f"plan {name}", f"{table.title[: max(0, room - 4)]}...{table.title[-1]}", kind, short))


def step_lines(lines: Sequence[Line]) -> Iterator[str]:
    """The table of the steps."""
    numbers = ["#", *("..." if isinstance(line, RowGap) else line.shown_number for line in lines)]
    width = max(map(len, numbers)) + 1
    cells: list[TableLine | str] = [TableLine(f"{'#':>{width}}   {'where'}", "step", "type", "limits")]
    for number, line in zip(numbers[1:], lines, strict=True):
        if isinstance(line, RowGap):
            cells.append(f"{number:>{width}}   ({line.told}; explain('verbose') shows them)")
            continue
        left = f"{number:>{width}} {'+' if line.joined else ' '} {line.where}"
        cells.append(TableLine(left, line.call, line.type, ", ".join(line.remarks)))
    return columns(cells)


def notes(table: Table) -> Iterator[str]:
    """What else is to be known."""
    for told in table.coordinator:
        yield from textwrap.wrap(told, WIDTH, subsequent_indent="    ")
    if table.default_store:
        yield "saves without a store: the store of the run, by default the folder daglite_data"
    if table.once:
        told = f"keys for one item, a second one raises DatasetError: {', '.join(table.once)}; "
        yield from wrapped(f"{told}write {{iteration_index}} for a key of each item", WIDTH)
    if table.trees:
        names = ", ".join(table.trees)
        yield from wrapped(f"on clusters large parts are put together on workers, tree-wise: {names}", WIDTH)
    found = table.fingerprint
    if found is not None and found.digest is None:
        yield f"no fingerprint: {found.reason}"


def _foot(table: Table) -> Iterator[str]:
    fired = ", ".join(f"{firing.rule} {firing.count}" for firing in table.rules) or "none"
    not_fused = table.not_fused or ("nothing",)
    if not table.optimised:
        fired, not_fused = "none, optimize=False", ("everything runs step by step",)
    line = f"rules: {fired}            not fused: {'; '.join(not_fused)}"
    if len(line) <= MOST:
        yield line
        return
    yield from wrapped(f"rules: {fired}", WIDTH)
    more = len(not_fused) - _MOST_NAMED
    told = [*not_fused[:_MOST_NAMED], *([f"and {more:,} more"] if more > 0 else [])]
    for number, one in enumerate(told):
        first = "not fused: " if number == 0 else "  "
        yield from wrapped(f"{first}{one}{';' if number + 1 < len(told) else ''}", WIDTH, indent=4)
