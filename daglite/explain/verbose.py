"""A table as text with nothing left out: every step, every rule with its law and its first change, every remark."""

from __future__ import annotations

from collections.abc import Iterator

from daglite.explain.columns import WIDTH, wrapped
from daglite.explain.table import Table, limits_text
from daglite.explain.text import head, notes, step_lines
from daglite.program import Firing


def verbose(table: Table) -> str:
    """The plan in full."""
    return "\n".join([head(table), *step_lines(table.rows), *_rules(table), *_streams(table), *_limits(table)])


def _rules(table: Table) -> Iterator[str]:
    yield ""
    if not table.optimised:
        yield "rules: none, optimize=False"
        return
    yield "rules:" if table.rules else "rules: none"
    for firing in table.rules:
        yield from _rule(firing)


def _rule(firing: Firing) -> Iterator[str]:
    yield f"  {firing.rule} {firing.count}"
    if firing.law:
        yield from _named("law", firing.law)
    yield from _named("before", firing.before)
    yield from _named("after", firing.after)
    if firing.count > 1:
        yield f"    (and {firing.count - 1:,} more like it)"


def _named(name: str, told: str) -> list[str]:
    label = f"    {name + ':':8}"
    return wrapped(label + told, WIDTH, indent=len(label))


def _streams(table: Table) -> Iterator[str]:
    yield ""
    if not table.optimised:
        yield "not fused: everything runs step by step"
        return
    yield "not fused:" if table.not_fused else "not fused: nothing"
    for remark in table.not_fused:
        yield from wrapped(f"  {remark}", WIDTH, indent=4)


def _limits(table: Table) -> Iterator[str]:
    found = table.fingerprint
    yield ""
    yield "limits:"
    for name, meaning in limits_text(table.limits):
        yield f"  {name + ':':20} {meaning}"
    if found is not None and found.digest:
        yield f"fingerprint: {found.digest}"
    yield from notes(table)
