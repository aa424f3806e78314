"""A table as a graph for other tools: Mermaid and Graphviz dot. Stages are boxes, steps nodes, arrows carry items."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import NamedTuple

from daglite.explain.fold import Line, RowGap, ends, folded
from daglite.explain.table import Table, TableRow

_MEANS_MORE = frozenset('"#<>&;`\\*_~$\n')


class Arrow(NamedTuple):
    """From one line of the page to another, by position: a stream or trip that goes on, or a value that is used."""

    start: int
    end: int
    label: str
    joins: bool


def arrows(rows: Sequence[TableRow], lines: Sequence[Line]) -> list[Arrow]:
    """How data gets from line to line; inside a line that stands for many steps nothing is drawn."""
    at = {number: position for position, line in enumerate(lines) for number in _numbers(line)}
    found = dict[Arrow, None]()
    for before, row in itertools.pairwise([None, *rows]):
        assert row is not None
        end = at[int(row.number)]
        if row.joined and before is not None:
            found[Arrow(at[int(before.number)], end, before.type.removeprefix("-> "), True)] = None
        for argument in row.arguments:
            if argument.step is not None:
                found[Arrow(at[argument.step], end, argument.name, False)] = None
    return [arrow for arrow in found if arrow.start != arrow.end]


def _numbers(line: Line) -> range:
    """The numbers of the steps that a line stands for."""
    first, last = (line.first, line.last) if isinstance(line, RowGap) else ends(line)
    return range(int(first), int(last) + 1)


def mermaid(table: Table) -> str:
    """A flowchart for Mermaid."""
    lines = folded(table.rows)
    told = ["flowchart TD"]
    for stage, members in itertools.groupby(enumerate(lines), _stage_of):
        told += [
            f'  subgraph g{stage}[" "]',
            "    direction TB",
            *(f"    {_mermaid_node(*member)}" for member in members),
            "  end",
        ]
    for arrow in arrows(table.rows, lines):
        middle = "-->" if arrow.joins else "-.->"
        label = f'|"{_entities(arrow.label)}"|' if arrow.label else ""
        told.append(f"  s{arrow.start} {middle}{label} s{arrow.end}")
    for place in ("coordinator", "workers"):
        found = [
            f"s{number}" for number, line in enumerate(lines) if isinstance(line, TableRow) and line.where == place
        ]
        if found:
            told.append(f"  class {','.join(found)} {place}")
    told.append("  classDef coordinator stroke:#b45309,stroke-width:2px")
    told.append("  classDef workers stroke:#2563eb,stroke-width:2px")
    return "\n".join(told)


def _mermaid_node(position: int, line: Line) -> str:
    text = "<br/>".join(map(_entities, _texts(line)))
    return f's{position}["{text}"]' if isinstance(line, TableRow) else f's{position}(["{text}"])'


def _entities(text: str) -> str:
    """Text that means nothing to Mermaid but itself: what could mean more goes by its number."""
    return "".join(f"#{ord(letter)};" if letter in _MEANS_MORE else letter for letter in text)


def dot(table: Table) -> str:
    """A graph for Graphviz."""
    lines = folded(table.rows)
    told = [
        "digraph plan {",
        '  graph [rankdir=TB, fontname="sans-serif", style="rounded,dashed", color="#9ca3af"]',
        '  node [shape=box, style=rounded, fontname="sans-serif", fontsize=11]',
        '  edge [fontname="sans-serif", fontsize=10]',
        f"  label={_quoted(table.title)}",
    ]
    for stage, members in itertools.groupby(enumerate(lines), _stage_of):
        told += [f"  subgraph cluster_{stage} {{", '    label=""']
        told += [*(f"    {_dot_node(*member)}" for member in members), "  }"]
    for arrow in arrows(table.rows, lines):
        style = "" if arrow.joins else ", style=dashed"
        told.append(f"  s{arrow.start} -> s{arrow.end} [label={_quoted(arrow.label)}{style}]")
    return "\n".join([*told, "}"])


def _dot_node(position: int, line: Line) -> str:
    label = _quoted("\n".join(_texts(line)))
    if isinstance(line, RowGap):
        return f"s{position} [label={label}, shape=plaintext]"
    color = "#b45309" if line.where == "coordinator" else "#2563eb"
    return f's{position} [label={label}, color="{color}"]'


def _quoted(text: str) -> str:
    """A string of dot; its lines stay lines."""
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n") + '"'


def _texts(line: Line) -> list[str]:
    """What stands in a node: the number and the call, where it runs, the type and the limits."""
    if isinstance(line, RowGap):
        return [line.told]
    return [
        f"{line.shown_number}  {line.call}",
        f"{line.where}: {line.type}",
        *([", ".join(line.remarks)] if line.remarks else []),
    ]


def _stage_of(member: tuple[int, Line]) -> str:
    """The name of the box that a line stands in: its stage, or one of its own for steps of several stages."""
    position, line = member
    return f"{line.stage}" if line.stage is not None else f"gap{position}"
