"""The skeleton of an HTML page: one file without scripts or links, for light, dark and paper."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from html import escape

_STYLE = """\
:root { color-scheme: light dark; --ink: #1f2328; --paper: #ffffff; --line: #d0d7de; --soft: #f6f8fa; --wait: #afb8c1; }
@media (prefers-color-scheme: dark) {
  :root { --ink: #e6edf3; --paper: #0d1117; --line: #3d444d; --soft: #161b22; --wait: #545d68; }
}
@media print {
  :root { color-scheme: light; --ink: #000; --paper: #fff; --line: #999; --soft: #fff; --wait: #bbb; }
  .wide { overflow: visible; }
  h2, tr, .rule { break-inside: avoid; }
  h2 { break-after: avoid; }
}
body { margin: 2rem auto; padding: 0 1rem; color: var(--ink); background: var(--paper);
  font: 15px/1.5 system-ui, sans-serif; }
h1 { font-size: 1.3rem; margin: 0 0 1rem; overflow-wrap: anywhere; }
h2 { font-size: 1.05rem; margin: 2rem 0 .5rem; }
.wide { overflow-x: auto; }
table { border-collapse: collapse; width: 100%; }
th, td { text-align: left; vertical-align: top; padding: .3rem .6rem; border-bottom: 1px solid var(--line); }
th { background: var(--soft); font-size: .85rem; }
"""


def document(title: str, style: str, body: Iterable[str]) -> str:
    """Return a page with `title` as its heading, `style` after the common style, and `body` as its lines of HTML."""
    heading = escape(title)
    return "\n".join(
        [
            "<!DOCTYPE html>",
            '<html lang="en">',
            '<head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">',
            f"<title>{heading}</title>",
            f"<style>\n{_STYLE}{style}\n</style></head>",
            "<body>",
            f"<h1>{heading}</h1>",
            *body,
            "</body></html>",
        ]
    )


def table(columns: Sequence[str], rows: Iterable[str]) -> Iterator[str]:
    """Yield a table with the names of its columns and its rows, which are HTML."""
    yield f'<div class="wide"><table><thead><tr>{"".join(f"<th>{name}</th>" for name in columns)}</tr></thead><tbody>'
    yield from rows
    yield "</tbody></table></div>"
