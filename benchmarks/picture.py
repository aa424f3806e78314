"""The report as a picture (SVG): a row for each contestant, a column for each workload."""

from __future__ import annotations

from collections.abc import Iterator
from html import escape
from typing import NamedTuple

from benchmarks.results import Report, Row, Table
from benchmarks.table import number

__all__ = ["picture"]

# A row of the picture, and which contestants stand for it; the first one that has a figure.
ROWS: dict[str, tuple[str, ...]] = {
    "by hand": (
        "fork + pipes, batch 1024",
        "fork + pipes, batch 1",
        "fork + pipes, own feeder",
        "shared memory by hand",
        "shares by hand",
        "loop",
    ),
    "daglite": ("daglite", "daglite threads", "daglite inline"),
    "imap": ("imap",),
    "imap, chunk 256": ("imap, chunk 256",),
    "executor": ("executor",),
    "joblib": ("joblib", "joblib, sequential"),
    "mpire": ("mpire", "mpire, told the length"),
    "streamable": ("streamable", "streamable, two maps"),
}
COLUMNS = {
    "inline": "one process",
    "trivial": "trivial items",
    "one_ms": "1 ms tasks",
    "twenty_ms": "20 ms tasks",
    "threads": "32 threads",
    "skew": "skew",
    "latency": "latency",
    "ahead": "pulled ahead",
    "slow_head": "slow head",
    "memory": "memory",
    "arrays": "8 MB arrays",
    "start": "start",
}
LEFT, WIDTH, HEIGHT, TOP, PAD = 128, 92, 38, 64, 8
STYLE = """
  text { font: 13px system-ui, sans-serif; fill: #1f2328 }
  .small { font-size: 11px; fill: #59636e }
  .us { font-weight: 600 }
  .room { fill: #818b981f }
  .bar { fill: #818b98 }
  .us.bar { fill: #0969da }
  @media (prefers-color-scheme: dark) {
    text { fill: #f0f6fc }
    .small { fill: #9198a1 }
    .us.bar { fill: #4493f8 }
  }
"""


class _Cell(NamedTuple):
    text: str
    share: float


def picture(report: Report) -> str:
    """The bar in a cell is as long as the contestant is good, the best of the column being full."""
    tables = [table for name in COLUMNS if (table := report.table(name)) is not None]
    width, height = LEFT + WIDTH * len(tables) + PAD, TOP + HEIGHT * len(ROWS) + 26
    lines = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" width="{width}" role="img">',
        "<title>daglite and its peers: a full bar is the best of its column</title>",
        f"<style>{STYLE}</style>",
        *_names(),
    ]
    for column, table in enumerate(tables):
        lines += _column(LEFT + WIDTH * column, table)
    about = f"{report.date}, Python {report.machine.python}, {report.machine.cores} processors, defaults unless named"
    lines += [_text(PAD, height - PAD, f"a full bar is the best of its column; {about}", "small"), "</svg>"]
    return "\n".join(lines) + "\n"


def _names() -> Iterator[str]:
    for line, name in enumerate(ROWS):
        yield _text(PAD, TOP + HEIGHT * line + 24, name, "us" if name == "daglite" else "")


def _column(x: int, table: Table) -> Iterator[str]:
    yield _text(x, 28, COLUMNS[table.name])
    yield _text(x, 46, table.unit, "small")
    rows = {name: _row(table, candidates) for name, candidates in ROWS.items()}
    present = [row for row in rows.values() if row is not None]
    if not present:
        return
    best = (max if table.better == "more" else min)(present, key=lambda row: row.figure)
    for line, (name, row) in enumerate(rows.items()):
        if row is not None:
            yield from _drawn(x, TOP + HEIGHT * line, _cell(table, row, best), "us " if name == "daglite" else "")


def _row(table: Table, candidates: tuple[str, ...]) -> Row | None:
    return next((row for name in candidates if (row := table.row(name)) is not None), None)


def _cell(table: Table, row: Row, best: Row) -> _Cell:
    ratio = table.ratio(row, best)
    return _Cell(number(row.figure), 1.0 if ratio is None else min(1.0, ratio))


def _drawn(x: int, y: int, cell: _Cell, mark: str) -> Iterator[str]:
    room = WIDTH - 2 * PAD
    yield _text(x, y + 20, cell.text, mark.strip())
    yield f'<rect class="room" x="{x}" y="{y + 25}" width="{room}" height="6" rx="2"/>'
    yield f'<rect class="{mark}bar" x="{x}" y="{y + 25}" width="{max(1.0, cell.share * room):.1f}" height="6" rx="2"/>'


def _text(x: int, y: int, text: str, mark: str = "") -> str:
    marked = f' class="{mark}"' if mark else ""
    return f'<text{marked} x="{x}" y="{y}">{escape(text)}</text>'
