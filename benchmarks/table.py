"""The report as text: one table for each workload, then the targets."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

from benchmarks.catalogue import MODULES
from benchmarks.results import Report, Row, Table
from benchmarks.targets import Verdict, verdicts

__all__ = ["Column", "columns", "heading", "number", "seconds", "table_text", "targets_text"]

LETTERS = "AB"


class Column(NamedTuple):
    """A column: its title, and what it shows of a row."""

    title: str
    cell: Callable[[Row], str]


def number(value: float) -> str:
    """Three digits that matter."""
    size = abs(value)
    if size >= 1_000_000:
        return f"{value / 1e6:.2f} M"
    if size >= 1_000:
        return f"{value:,.0f}"
    return f"{value:.0f}" if size >= 100 or value == 0 else f"{value:.1f}" if size >= 10 else f"{value:.2f}"


def seconds(value: float) -> str:
    """In the unit that fits."""
    for unit, size in (("s", 1.0), ("ms", 1e-3)):
        if abs(value) >= size:
            return f"{number(value / size)} {unit}"
    return f"{number(value / 1e-6)} us"


def heading(report: Report) -> str:
    """Where, when and how."""
    machine = report.machine
    versions = ", ".join(f"{name} {version}" for name, version in machine.versions.items())
    return (
        f"{report.date}, {machine.cores} processors, Python {machine.python}, {machine.system}; {versions}\n"
        f"median of {report.rounds} rounds{', quick' if report.quick else ''}; "
        "A and B are the contestants of that letter, and a number under them says how many times as good"
    )


def table_text(table: Table) -> str:
    """Contestants that have no figure stand last, with the reason."""
    present = [row for row in table.rows if row.absent is None]
    missing = [row for row in table.rows if row.absent is not None]
    shown = columns(table, present)
    lines = [[column.title for column in shown], *([column.cell(row) for column in shown] for row in present)]
    text = [f"{table.name}: {table.what}", *aligned(lines)]
    width = max((len(row.contestant) for row in table.rows), default=0)
    text += [f"    {row.contestant:{width}}  {row.absent:.90}" for row in missing]
    return "\n".join(text)


def columns(table: Table, rows: Sequence[Row]) -> list[Column]:
    """What is shown of these rows of the table."""
    letters = dict(zip(table.beside, LETTERS, strict=False))
    found = [
        Column("", lambda row: f"{letters.get(row.contestant, ' ')} {row.contestant}"),
        Column("items", lambda row: f"{row.items:,}"),
        Column(table.unit, lambda row: number(row.figure)),
    ]
    found += [Column(letter, _ratio_to(table, table.row(name))) for name, letter in letters.items()]
    # In the order in which they turn up: not all contestants have all of them.
    for extra in dict.fromkeys(name for row in rows for name in row.extras):
        found.append(Column(extra, _extra(extra)))
    found += [
        Column("CPU an item", lambda row: seconds(row.processor / row.items)),
        Column("peak MB", lambda row: number(row.peak_mb)),
        Column("spread", _spread),
    ]
    return found


def _ratio_to(table: Table, other: Row | None) -> Callable[[Row], str]:
    def cell(row: Row) -> str:
        ratio = table.ratio(row, other) if other is not None else None
        return "-" if ratio is None else f"{ratio:.3f}" if ratio < 0.1 else f"{ratio:.2f}"

    return cell


def _extra(name: str) -> Callable[[Row], str]:
    return lambda row: number(row.extras[name]) if name in row.extras else ""


def _spread(row: Row) -> str:
    """How far the rounds lie apart, as a share of the median."""
    return f"{(max(row.figures) - min(row.figures)) / row.figure:.0%}" if row.figure else "-"


def aligned(lines: Sequence[Sequence[str]]) -> list[str]:
    """The first column to the left, the others to the right."""
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    return [
        "  ".join(
            [
                f"  {cells[0]:{widths[0]}}",
                *(f"{cell:>{width}}" for cell, width in zip(cells[1:], widths[1:], strict=True)),
            ]
        ).rstrip()
        for cells in lines
    ]


def targets_text(report: Report) -> str:
    """What was aimed at, and what was found; of a part of the workloads, its own targets only."""
    lines = [["target", "wanted", "found", ""]]
    all_there = len(report.tables) == len(MODULES)
    lines += [
        [verdict.text, verdict.wanted_text, _found(verdict), verdict.word]
        for verdict in verdicts(report)
        if all_there or verdict.found is not None
    ]
    return "\n".join(["targets", *aligned(lines)])


def _found(verdict: Verdict) -> str:
    return "-" if verdict.found is None else number(verdict.found)
