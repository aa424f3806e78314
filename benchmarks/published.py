"""The figures in the docs: results and picture beside the reference, and the tables in the page that compares."""

from __future__ import annotations

from pathlib import Path

from benchmarks.picture import picture
from benchmarks.results import Report, Table
from benchmarks.table import columns, heading

__all__ = ["PAGE", "RESULTS", "marked", "publish", "tables"]

DOCS = Path(__file__).parent.parent / "docs"
RESULTS = DOCS / "reference" / "benchmarks.json"
PAGE = DOCS / "explanation" / "comparison.md"
BEGIN, END = "<!-- figures: made by make bench BENCH=--publish -->\n", "<!-- end -->\n"
NONE = "No figures are published with this version.\n"


def publish(report: Report, results: Path = RESULTS, page: Path = PAGE) -> None:
    """Put the report into the docs, in place of the one that is there."""
    results.write_text(report.to_json(), encoding="utf-8")
    results.with_suffix(".svg").write_text(picture(report), encoding="utf-8")
    before, _, after = marked(page)
    # From the file, which keeps fewer digits than the report: what stands in the page follows from what stands beside.
    text = tables(Report.from_json(results.read_text(encoding="utf-8")))
    page.write_text(before + BEGIN + text + END + after, encoding="utf-8")


def marked(page: Path = PAGE) -> tuple[str, str, str]:
    """The page before its figures, the figures, and what comes after; raises `ValueError` where it has none."""
    before, begin, rest = page.read_text(encoding="utf-8").partition(BEGIN)
    text, end, after = rest.partition(END)
    if not begin or not end:
        raise ValueError(f"{page} has no part between {BEGIN.strip()!r} and {END.strip()!r}")
    return before, text, after


def tables(report: Report | None) -> str:
    """The part of the page, as Markdown; None stands for no results."""
    if report is None:
        return NONE
    parts = ["![relative results](../reference/benchmarks.svg)", heading(report).replace("\n", "\n\n") + "."]
    parts += [part for table in report.tables for part in _table(table)]
    return "\n\n".join(parts) + "\n"


def _table(table: Table) -> list[str]:
    present = [row for row in table.rows if row.absent is None]
    wanted = columns(table, present)
    lines = [[column.title or "contestant" for column in wanted], ["---", *["---:"] * (len(wanted) - 1)]]
    for row in present:
        cells = [column.cell(row).strip() for column in wanted]
        lines.append([f"**{cell}**" if cell and row.kind == "daglite" else cell for cell in cells])
    parts = [
        f"### `{table.name}`",
        f"{table.what} ({table.unit}; {table.better} is better)",
        "\n".join("| " + " | ".join(cell.replace("|", "\\|") for cell in line) + " |" for line in lines),
    ]
    absent = [f"{row.contestant} ({row.absent:.90})" for row in table.rows if row.absent is not None]
    return [*parts, f"Without a figure: {', '.join(absent)}."] if absent else parts
