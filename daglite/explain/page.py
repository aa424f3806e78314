"""A plan as one HTML file: the picture, the steps, the rules with their laws, the limits."""

from __future__ import annotations

from collections.abc import Iterator
from html import escape

from daglite.explain import skeleton
from daglite.explain.fold import Line, RowGap, folded
from daglite.explain.picture import picture
from daglite.explain.table import Table, limits_text
from daglite.explain.text import notes
from daglite.program import Firing

_STYLE = """\
body { max-width: 54rem; }
code, td { font-family: ui-monospace, Menlo, Consolas, monospace; font-size: .85rem; overflow-wrap: break-word; }
td:first-child { text-align: right; }
td:nth-child(2) { white-space: nowrap; }
td:nth-child(n+3) { min-width: 8rem; overflow-wrap: anywhere; }
td.joined { border-left: 3px solid var(--line); }
dl { display: grid; grid-template-columns: max-content 1fr; gap: .2rem 1rem; margin: .3rem 0 1rem; }
dt { opacity: .7; }
dd { margin: 0; }"""


def page(table: Table) -> str:
    """Return the whole file."""
    return skeleton.document(f"plan {table.short_fingerprint} {table.program.title}", _STYLE, _body(table))


def _body(table: Table) -> Iterator[str]:
    program = table.program
    yield picture(table)
    yield "<h2>Steps</h2>"
    yield from skeleton.table(("#", "where", "step", "type", "limits"), map(_row, folded(table.rows)))
    yield "<h2>Rules</h2>"
    if not program.trace:
        yield f"<p>{'None fired.' if program.optimised else 'None: compiled with optimize=False.'}</p>"
    for firing in program.trace:
        yield from _rule(firing)
    yield "<h2>Not fused</h2>"
    if program.remarks:
        yield "<ul>"
        yield from (f"<li><code>{escape(remark)}</code></li>" for remark in program.remarks)
        yield "</ul>"
    else:
        yield f"<p>{'Nothing.' if program.optimised else 'Everything runs step by step.'}</p>"
    yield "<h2>Limits</h2>"
    yield "<dl>"
    yield from (f"<dt>{name}</dt><dd>{meaning}</dd>" for name, meaning in limits_text(program.limits))
    if table.digest:
        yield f"<dt>fingerprint</dt><dd><code>{table.digest}</code></dd>"
    yield "</dl>"
    yield from (f"<p>{escape(note)}</p>" for note in notes(table))


def _row(line: Line) -> str:
    if isinstance(line, RowGap):
        return f'<tr><td>...</td><td colspan="4">{escape(line.text)}</td></tr>'
    cells = (line.where, line.call, line.type, ", ".join(line.remarks))
    joined = ' class="joined"' if line.joined else ""
    return f"<tr><td>{line.shown_number}</td><td{joined}>{'</td><td>'.join(map(escape, cells))}</td></tr>"


def _rule(firing: Firing) -> Iterator[str]:
    times = "once" if firing.count == 1 else f"{firing.count:,} times; the first:"
    yield f'<div class="rule"><b>{escape(firing.rule)}</b> {times}<dl>'
    if firing.law:
        yield f"<dt>law</dt><dd>{_with_code(firing.law)}</dd>"
    yield f"<dt>before</dt><dd><code>{escape(firing.before)}</code></dd>"
    yield f"<dt>after</dt><dd><code>{escape(firing.after)}</code></dd></dl></div>"


def _with_code(text: str) -> str:
    """Return a text as HTML, with code where backquotes mark it."""
    return "".join(f"<code>{part}</code>" if odd % 2 else part for odd, part in enumerate(escape(text).split("`")))
