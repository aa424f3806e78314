"""A long table shortened to one page: runs of like rows become one row, then the middle is left out."""

from __future__ import annotations

import itertools
from collections.abc import Hashable, Iterator, Sequence
from dataclasses import dataclass
from typing import TypeAlias

from daglite.explain.table import Argument, TableRow

# The largest number of steps that are all shown.
_MOST_WHOLE = 40
# The shortest run that is folded.
_LEAST_FOLDED = 4
# The number of rows shown at either end of a table that is still too long.
_ENDS = 20


@dataclass(frozen=True, slots=True)
class RowGap:
    """Rows that are not shown: the steps numbered `first` to `last`, of one stage or (None) of several."""

    steps: int
    first: str
    last: str
    stage: int | None

    @property
    def text(self) -> str:
        """The text in the place of the rows."""
        return f"{self.steps:,} more steps, {self.first} to {self.last}"


Line: TypeAlias = TableRow | RowGap


def folded(rows: Sequence[TableRow]) -> list[Line]:
    """Return all rows of a small plan; of a large one a page of rows, with the first and the last step."""
    if len(rows) <= _MOST_WHOLE:
        return list(rows)
    shown = [row for _, run in itertools.groupby(rows, _shape) for row in _fold_run(list(run))]
    if len(shown) <= 2 * _ENDS + 1:
        return [*shown]
    hidden = shown[_ENDS:-_ENDS]
    stage = hidden[0].stage if hidden[0].stage == hidden[-1].stage else None
    gap = RowGap(sum(row.steps for row in hidden), ends(hidden[0])[0], ends(hidden[-1])[1], stage)
    return [*shown[:_ENDS], gap, *shown[-_ENDS:]]


def ends(row: TableRow) -> tuple[str, str]:
    """Return the first and the last number of the steps in a row."""
    first, _, last = row.number.partition("..")
    return first, last or first


def _shape(row: TableRow) -> Hashable:
    """Return what the rows of a run have in common: all but their numbers and the values of arguments."""
    names = tuple((argument.name, argument.step is None) for argument in row.arguments)
    return (row.joined, row.where, row.verb, row.task, names, row.type, row.remarks)


def _fold_run(run: list[TableRow]) -> Iterator[TableRow]:
    """Yield the first and the last row of a run, and one row for all between them."""
    if len(run) < _LEAST_FOLDED:
        yield from run
        return
    first, *between, last = run
    yield first
    arguments = tuple(_merged(column) for column in zip(*(row.arguments for row in between), strict=True))
    number = f"{between[0].number}..{between[-1].number}"
    yield between[0]._replace(number=number, arguments=arguments, steps=len(between))
    yield last


def _merged(column: Sequence[Argument]) -> Argument:
    """Return one argument of several rows: its text where all agree, else dots."""
    one = column[0]
    if all(argument.text == one.text for argument in column):
        return one
    return Argument(one.name, "..." if one.step is None else "#...", None)
