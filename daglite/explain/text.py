"""A plan as text: one line for each step in data order, then the rules that fired. Stable: no ids, no times."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator, Sequence

from daglite.explain.columns import MOST, WIDTH, TableLine, columns, wrapped
from daglite.explain.fold import Line, RowGap, folded
from daglite.explain.table import Table, in_flight_text

# The largest number of remarks on streams that were not fused.
_MOST_REMARKS = 8


def text(table: Table) -> str:
    """Return the plan on one page."""
    return "\n".join([head(table), *step_lines(folded(table.rows)), *_foot(table), *notes(table)])


def head(table: Table) -> str:
    """Return the first line: always one line, so that programs can take it off, and no wider than a table may be.

    Where it is too long, wide gaps go first, then words of the bound, then part of the title.
    """
    name, title = f"plan {table.short_fingerprint}", table.program.title
    kind = "optimised" if table.program.optimised else "not optimised"
    bound = f"in flight <= {in_flight_text(table.program.limits)}"
    short = bound.replace(" items per worker", "/worker")
    for limits in (bound, short):
        for gap in ("   ", "  "):
            if len(line := gap.join((name, title, kind, limits))) <= MOST:
                return line
    room = MOST - len("  ".join((name, "", kind, short)))
    return "  ".join((name, f"{title[: max(0, room - 4)]}...{title[-1]}", kind, short))


def step_lines(lines: Sequence[Line]) -> Iterator[str]:
    """Yield the table of the steps."""
    numbers = ["..." if isinstance(line, RowGap) else line.shown_number for line in lines]
    width = max(map(len, numbers)) + 1
    cells: list[TableLine | str] = [TableLine(f"{'#':>{width}}   {'where'}", "step", "type", "limits")]
    for number, line in zip(numbers, lines, strict=True):
        if isinstance(line, RowGap):
            cells.append(f"{number:>{width}}   ({line.text}; explain('verbose') shows them)")
            continue
        left = f"{number:>{width}} {'+' if line.joined else ' '} {line.where}"
        cells.append(TableLine(left, line.call, line.type, ", ".join(line.remarks)))
    return columns(cells)


def notes(table: Table) -> Iterator[str]:
    """Yield the notes below the table."""
    for sentence in table.coordinator:
        yield from textwrap.wrap(sentence, WIDTH, subsequent_indent="    ")
    if table.default_store:
        yield "saves without a store: the store of the run, by default the folder daglite_data"
    if table.single_keys:
        keys = f"keys for one item, a second one raises DatasetError: {', '.join(table.single_keys)}; "
        yield from wrapped(f"{keys}write {{iteration_index}} for a key of each item", WIDTH)
    if table.merging:
        names = ", ".join(table.merging)
        yield from wrapped(f"on clusters workers merge large partial results in a tree: {names}", WIDTH)
    found = table.fingerprint
    if found is not None and found.digest is None:
        yield f"no fingerprint: {found.reason}"


def _foot(table: Table) -> Iterator[str]:
    rules = ", ".join(f"{firing.rule} {firing.count}" for firing in table.program.trace) or "none"
    remarks = list(table.program.remarks) or ["nothing"]
    if not table.program.optimised:
        rules, remarks = "none, optimize=False", ["everything runs step by step"]
    line = f"rules: {rules}            not fused: {'; '.join(remarks)}"
    if len(line) <= MOST:
        yield line
        return
    yield from wrapped(f"rules: {rules}", WIDTH)
    if len(remarks) > _MOST_REMARKS:
        remarks[_MOST_REMARKS:] = [f"and {len(remarks) - _MOST_REMARKS:,} more"]
    for number, remark in enumerate(remarks):
        first = "not fused: " if number == 0 else "  "
        yield from wrapped(f"{first}{remark}{';' if number + 1 < len(remarks) else ''}", WIDTH, indent=4)
