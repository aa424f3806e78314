"""A table as one HTML file: the picture, the steps, the rules with their laws. No script, no network; prints well."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from html import escape

from daglite.explain.fold import Line, RowGap, folded
from daglite.explain.picture import picture
from daglite.explain.table import Table, limits_text
from daglite.explain.text import notes
from daglite.program import Firing

_STYLE = """\
:root { color-scheme: light dark; --ink: #1f2328; --paper: #ffffff; --line: #d0d7de; --soft: #f6f8fa; }
@media (prefers-color-scheme: dark) {
  :root { --ink: #e6edf3; --paper: #0d1117; --line: #3d444d; --soft: #161b22; }
}
@media print {
  :root { color-scheme: light; --ink: #000; --paper: #fff; --line: #999; --soft: #fff; }
  .wide { overflow: visible; }
  h2, tr, .rule { break-inside: avoid; }
  h2 { break-after: avoid; }
}
body { margin: 2rem auto; max-width: 54rem; padding: 0 1rem; color: var(--ink); background: var(--paper);
  font: 15px/1.5 system-ui, sans-serif; }
h1 { font-size: 1.3rem; margin: 0 0 1rem; overflow-wrap: anywhere; }
h2 { font-size: 1.05rem; margin: 2rem 0 .5rem; }
code, td { font-family: ui-monospace, Menlo, Consolas, monospace; font-size: .85rem; overflow-wrap: break-word; }
.wide { overflow-x: auto; }
table { border-collapse: collapse; width: 100%; }
th, td { text-align: left; vertical-align: top; padding: .3rem .6rem; border-bottom: 1px solid var(--line); }
th { background: var(--soft); font-size: .85rem; }
td:first-child { text-align: right; }
td:nth-child(2) { white-space: nowrap; }
td:nth-child(n+3) { min-width: 8rem; overflow-wrap: anywhere; }
td.joined { border-left: 3px solid var(--line); }
dl { display: grid; grid-template-columns: max-content 1fr; gap: .2rem 1rem; margin: .3rem 0 1rem; }
dt { opacity: .7; }
dd { margin: 0; }"""


def page(table: Table) -> str:
    """The whole file."""
    found = table.fingerprint
    name = found.digest[:8] if found is not None and found.digest else "(no fingerprint)"
    title = escape(f"plan {name} {table.title}")
    return "\n".join(
        [
            "<!DOCTYPE html>",
            '<html lang="en">',
            '<head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">',
            f"<title>{title}</title>",
            f"<style>\n{_STYLE}\n</style></head>",
            "<body>",
            f"<h1>{title}</h1>",
            picture(table),
            "<h2>Steps</h2>",
            *_steps(folded(table.rows)),
            "<h2>Rules</h2>",
            *_rules(table),
            "<h2>Not fused</h2>",
            *_not_fused(table),
            "<h2>Limits</h2>",
            *_limits(table),
            "</body></html>",
        ]
    )


def _steps(lines: Sequence[Line]) -> Iterator[str]:
    yield '<div class="wide"><table><thead><tr>'
    yield "".join(f"<th>{name}</th>" for name in ("#", "where", "step", "type", "limits"))
    yield "</tr></thead><tbody>"
    for line in lines:
        if isinstance(line, RowGap):
            yield f'<tr><td>...</td><td colspan="4">{escape(line.told)}</td></tr>'
            continue
        cells = (line.where, line.call, line.type, ", ".join(line.remarks))
        joined = ' class="joined"' if line.joined else ""
        yield f"<tr><td>{line.shown_number}</td><td{joined}>{'</td><td>'.join(map(escape, cells))}</td></tr>"
    yield "</tbody></table></div>"


def _rules(table: Table) -> Iterator[str]:
    if not table.rules:
        yield f"<p>{'None fired.' if table.optimised else 'None: compiled with optimize=False.'}</p>"
    for firing in table.rules:
        yield from _rule(firing)


def _rule(firing: Firing) -> Iterator[str]:
    times = "once" if firing.count == 1 else f"{firing.count:,} times; the first:"
    yield f'<div class="rule"><b>{escape(firing.rule)}</b> {times}<dl>'
    if firing.law:
        yield f"<dt>law</dt><dd>{_code(firing.law)}</dd>"
    yield f"<dt>before</dt><dd><code>{escape(firing.before)}</code></dd>"
    yield f"<dt>after</dt><dd><code>{escape(firing.after)}</code></dd></dl></div>"


def _code(text: str) -> str:
    """Text in which backquotes surround code."""
    return "".join(f"<code>{part}</code>" if odd % 2 else part for odd, part in enumerate(escape(text).split("`")))


def _not_fused(table: Table) -> Iterator[str]:
    if not table.not_fused:
        yield f"<p>{'Nothing.' if table.optimised else 'Everything runs step by step.'}</p>"
        return
    yield "<ul>"
    yield from (f"<li><code>{escape(remark)}</code></li>" for remark in table.not_fused)
    yield "</ul>"


def _limits(table: Table) -> Iterator[str]:
    found = table.fingerprint
    yield "<dl>"
    yield from (f"<dt>{name}</dt><dd>{meaning}</dd>" for name, meaning in limits_text(table.limits))
    if found is not None and found.digest:
        yield f"<dt>fingerprint</dt><dd><code>{found.digest}</code></dd>"
    yield "</dl>"
    yield from (f"<p>{escape(note)}</p>" for note in notes(table))
