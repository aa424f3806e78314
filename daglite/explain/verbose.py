"""A plan as text with nothing left out: every step, every rule with its law and its first change, every remark."""

from __future__ import annotations

from collections.abc import Iterator

from daglite.explain.columns import WIDTH, wrapped
from daglite.explain.table import Table, limits_text
from daglite.explain.text import head, notes, step_lines


def verbose(table: Table) -> str:
    """Return the plan in full."""
    return "\n".join(
        [head(table), *step_lines(table.rows), "", *_rules(table), "", *_not_fused(table), *_limits(table)]
    )


def _rules(table: Table) -> Iterator[str]:
    if not table.program.optimised:
        yield "rules: none, optimize=False"
        return
    yield "rules:" if table.program.trace else "rules: none"
    for firing in table.program.trace:
        yield f"  {firing.rule} {firing.count}"
        for name, text in (("law", firing.law), ("before", firing.before), ("after", firing.after)):
            label = f"    {name + ':':8}"
            yield from wrapped(label + text, WIDTH, indent=len(label)) if text else ()
        if firing.count > 1:
            yield f"    (and {firing.count - 1:,} more like it)"


def _not_fused(table: Table) -> Iterator[str]:
    if not table.program.optimised:
        yield "not fused: everything runs step by step"
        return
    yield "not fused:" if table.program.remarks else "not fused: nothing"
    for remark in table.program.remarks:
        yield from wrapped(f"  {remark}", WIDTH, indent=4)


def _limits(table: Table) -> Iterator[str]:
    yield ""
    yield "limits:"
    for name, meaning in limits_text(table.program.limits):
        yield f"  {name + ':':20} {meaning}"
    if table.digest:
        yield f"fingerprint: {table.digest}"
    yield from notes(table)
