"""A long table as one page: runs of rows of one shape become one row, and what is still too long loses its middle."""

from __future__ import annotations

import itertools
from collections.abc import Hashable, Iterator, Sequence
from dataclasses import dataclass
from typing import TypeAlias

from daglite.explain.table import Argument, TableRow

# A plan of so many steps is shown whole.
_SMALL = 40
# A shorter run is not worth a line that has to be explained.
_LEAST_FOLDED = 4
# What is shown at either end of a table that is still too long, all runs folded.
_ENDS = 20


@dataclass(frozen=True, slots=True)
class RowGap:
    """Stands for rows that are not shown: so many steps, from one number to another, all of one stage or of several."""

    steps: int
    first: str
    last: str
    stage: int | None

    @property
    def told(self) -> str:
        """What stands in the place of the rows."""
        return f"{self.steps:,} more steps, {self.first} to {self.last}"


Line: TypeAlias = TableRow | RowGap


def folded(rows: Sequence[TableRow]) -> list[Line]:
    """The rows of a small plan as they are; of a large one what fits on a page, the first and last step included."""
    if len(rows) <= _SMALL:
        return list(rows)
    shown = [row for _, run in itertools.groupby(rows, _shape) for row in _short(list(run))]
    if len(shown) <= 2 * _ENDS + 1:
        return [*shown]
    hidden = shown[_ENDS:-_ENDS]
    stage = hidden[0].stage if hidden[0].stage == hidden[-1].stage else None
    gap = RowGap(sum(row.steps for row in hidden), ends(hidden[0])[0], ends(hidden[-1])[1], stage)
    return [*shown[:_ENDS], gap, *shown[-_ENDS:]]


def ends(row: TableRow) -> tuple[str, str]:
    """The first and the last number of the steps in a row."""
    first, _, last = row.number.partition("..")
    return first, last or first


def _shape(row: TableRow) -> Hashable:
    """What rows of one run have in common: all but their numbers and the values of their arguments."""
    names = tuple((argument.name, argument.step is None) for argument in row.arguments)
    return (row.joined, row.where, row.verb, row.task, names, row.type, row.remarks)


def _short(run: list[TableRow]) -> Iterator[TableRow]:
    """The first and the last row of a run, and one between them for all others."""
    if len(run) < _LEAST_FOLDED:
        yield from run
        return
    first, *between, last = run
    yield first
    arguments = tuple(_together(column) for column in zip(*(row.arguments for row in between), strict=True))
    number = f"{between[0].number}..{between[-1].number}"
    yield between[0]._replace(number=number, arguments=arguments, steps=len(between))
    yield last


def _together(column: Sequence[Argument]) -> Argument:
    """One argument of several rows: its text where all agree, dots where they do not."""
    one = column[0]
    if all(argument.text == one.text for argument in column):
        return one
    return Argument(one.name, "..." if one.step is None else "#...", None)
