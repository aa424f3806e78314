"""A plan as a graph for Mermaid and Graphviz dot: stages are boxes, steps are nodes, arrows carry items."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import NamedTuple

from daglite.explain.fold import Line, RowGap, ends, folded
from daglite.explain.table import Table, TableRow

_SPECIAL = frozenset('"#<>&;`\\*_~$\n')


class Arrow(NamedTuple):
    """An arrow between two lines, by position: the data of a stage (`joins`), or a value used as an argument."""

    start: int
    end: int
    label: str
    joins: bool


def arrows(rows: Sequence[TableRow], lines: Sequence[Line]) -> list[Arrow]:
    """Return the arrows between lines; none within a line of several steps."""
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
    """Return the numbers of the steps in a line."""
    first, last = (line.first, line.last) if isinstance(line, RowGap) else ends(line)
    return range(int(first), int(last) + 1)


def mermaid(table: Table) -> str:
    """Return a flowchart for Mermaid."""
    lines = folded(table.rows)
    code = ["flowchart TD"]
    for stage, members in itertools.groupby(enumerate(lines), _stage_of):
        code += [
            f'  subgraph g{stage}[" "]',
            "    direction TB",
            *(f"    {_mermaid_node(*member)}" for member in members),
            "  end",
        ]
    for arrow in arrows(table.rows, lines):
        middle = "-->" if arrow.joins else "-.->"
        label = f'|"{_entities(arrow.label)}"|' if arrow.label else ""
        code.append(f"  s{arrow.start} {middle}{label} s{arrow.end}")
    for place in ("coordinator", "workers"):
        found = [
            f"s{number}" for number, line in enumerate(lines) if isinstance(line, TableRow) and line.where == place
        ]
        if found:
            code.append(f"  class {','.join(found)} {place}")
    code.append("  classDef coordinator stroke:#b45309,stroke-width:2px")
    code.append("  classDef workers stroke:#2563eb,stroke-width:2px")
    return "\n".join(code)


def _mermaid_node(position: int, line: Line) -> str:
    text = "<br/>".join(map(_entities, _texts(line)))
    return f's{position}["{text}"]' if isinstance(line, TableRow) else f's{position}(["{text}"])'


def _entities(text: str) -> str:
    """Return the text with every character that Mermaid could interpret as its number."""
    return "".join(f"#{ord(letter)};" if letter in _SPECIAL else letter for letter in text)


def dot(table: Table) -> str:
    """Return a graph for Graphviz."""
    lines = folded(table.rows)
    code = [
        "digraph plan {",
        '  graph [rankdir=TB, fontname="sans-serif", style="rounded,dashed", color="#9ca3af"]',
        '  node [shape=box, style=rounded, fontname="sans-serif", fontsize=11]',
        '  edge [fontname="sans-serif", fontsize=10]',
        f"  label={_quoted(table.program.title)}",
    ]
    for stage, members in itertools.groupby(enumerate(lines), _stage_of):
        code += [f"  subgraph cluster_{stage} {{", '    label=""']
        code += [*(f"    {_dot_node(*member)}" for member in members), "  }"]
    for arrow in arrows(table.rows, lines):
        style = "" if arrow.joins else ", style=dashed"
        code.append(f"  s{arrow.start} -> s{arrow.end} [label={_quoted(arrow.label)}{style}]")
    return "\n".join([*code, "}"])


def _dot_node(position: int, line: Line) -> str:
    label = _quoted("\n".join(_texts(line)))
    if isinstance(line, RowGap):
        return f"s{position} [label={label}, shape=plaintext]"
    color = "#b45309" if line.where == "coordinator" else "#2563eb"
    return f's{position} [label={label}, color="{color}"]'


def _quoted(text: str) -> str:
    """Return the text as a string of dot, with its line breaks."""
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n") + '"'


def _texts(line: Line) -> list[str]:
    """Return the text of a node: the number and the call, where it runs, the type and the limits."""
    if isinstance(line, RowGap):
        return [line.text]
    return [
        f"{line.shown_number}  {line.call}",
        f"{line.where}: {line.type}",
        *([", ".join(line.remarks)] if line.remarks else []),
    ]


def _stage_of(member: tuple[int, Line]) -> str:
    """Return the name of the box of a line: its stage, or a name of its own for steps of several stages."""
    position, line = member
    return f"{line.stage}" if line.stage is not None else f"gap{position}"
