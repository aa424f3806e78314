"""A long table on one page: what is folded, what is left out, and that no step is lost."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from daglite import Future, compile
from daglite.explain.fold import RowGap, ends, folded
from daglite.explain.table import TableRow, table_of
from tests.samples import double, minus, one, pair, rows, scale, total
from tests.unit.explain.pipelines import PIPELINES


def table(pipeline: Future[object], *, optimize: bool = True) -> tuple[TableRow, ...]:
    return table_of(compile(pipeline, optimize=optimize).program, None).rows


def chain(depth: int, step: Callable[[int, Future[int]], Future[int]]) -> Future[int]:
    value: Future[int] = one(n=0)
    for number in range(depth):
        value = step(number, value)
    return value


LONG: dict[str, Future[object]] = {
    "one run": chain(100, lambda n, value: minus(a=value, b=1)),
    "two tasks in turn": chain(100, lambda n, value: scale(x=value) if n % 2 else double(x=value)),
    "runs of three": chain(100, lambda n, value: scale(x=value) if n % 4 else double(x=value)),
    "two runs": chain(100, lambda n, value: scale(x=value) if n < 50 else double(x=value)),
    "independent": total(items=one(n=0)).then(pair, b=pair(one(n=1), one(n=2))),
}


@pytest.mark.parametrize("name", PIPELINES)
def test_small_table_is_left_alone(name: str) -> None:
    found = table(PIPELINES[name])

    assert folded(found) == list(found)


@pytest.mark.parametrize("name", LONG)
@pytest.mark.parametrize("optimize", [True, False])
def test_every_step_is_in_one_line(name: str, optimize: bool) -> None:
    found = table(LONG[name], optimize=optimize)
    lines = folded(found)
    covered = list[int]()
    for line in lines:
        first, last = (line.first, line.last) if isinstance(line, RowGap) else ends(line)
        numbers = range(int(first), int(last) + 1)
        assert len(numbers) == line.steps
        covered += numbers

    assert covered == list(range(len(found)))
    assert len(lines) <= 41
    assert (lines[0], lines[-1]) == (found[0], found[-1])


def test_rows_of_a_run_differ_only_in_number_and_values() -> None:
    """A task, a type, a limit or a place that is another one ends the run."""
    stream = rows.iter(n=1)
    saved = stream.then(double)
    for number in range(100):
        saved = saved.then(double)
        saved = saved.save("here{iteration_index}") if number == 50 else saved
    lines = folded(table(saved))

    assert [line.steps for line in lines] == [1, 1, 49, 1, 1, 1, 47, 1]


def test_value_that_all_have_is_shown() -> None:
    same = folded(table(chain(100, lambda n, value: minus(a=value, b=1))))[2]
    other = folded(table(chain(100, lambda n, value: minus(a=value, b=n))))[2]

    assert isinstance(same, TableRow)
    assert same.call == "then minus(b=1) (x 98)"
    assert isinstance(other, TableRow)
    assert other.call == "then minus(b=...) (x 98)"


def test_reference_is_not_mistaken_for_a_value() -> None:
    found = folded(table(chain(100, lambda n, value: minus(a=value, b=n)), optimize=False))[2]

    assert isinstance(found, TableRow)
    assert found.call == "call minus(a=#..., b=...) (x 98)"


def test_what_is_left_out_belongs_to_its_stage_if_there_is_one() -> None:
    turns = LONG["two tasks in turn"]
    gaps = [
        line for which in (True, False) for line in folded(table(turns, optimize=which)) if isinstance(line, RowGap)
    ]

    assert [(gap.steps, gap.first, gap.last, gap.stage) for gap in gaps] == [
        (61, "20", "80", 0),
        (61, "20", "80", None),
    ]
