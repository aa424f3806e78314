"""Medians, ratios, and the report as JSON."""

from __future__ import annotations

import dataclasses
import json

import pytest

from benchmarks.results import SCHEMA, Machine, Report, Row, Table, goodness, row_of
from benchmarks.shape import Entry, Sample
from tests.unit.benchmarks.samples import report


def test_row_holds_medians_and_all_figures() -> None:
    samples = [Sample(figure, figure + 1, figure + 2, figure + 3, {"max": -figure}) for figure in (5.0, 1.0, 2.0)]

    row = row_of(Entry("a", "by_pool"), 10, samples)

    assert row == Row("a", "peer", 10, None, 2.0, 3.0, 4.0, 5.0, {"max": -2.0}, [5.0, 1.0, 2.0])


def test_row_of_one_that_fails_later_has_no_figure() -> None:
    row = row_of(Entry("a", "by_pool"), 10, [Sample(1, 1, 1, 1)], "fails: it broke")

    assert (row.absent, row.failed, row.figures) == ("fails: it broke", True, [])
    assert not row_of(Entry("a", "by_pool"), 10, [], "not installed").failed


@pytest.mark.parametrize(
    ("figure", "other", "better", "floor", "wanted"),
    [
        (6.0, 3.0, "more", 0.0, 2.0),
        (6.0, 3.0, "less", 0.0, 0.5),
        (0.0, 3.0, "less", 0.0, None),
        (3.0, 0.0, "more", 0.0, None),
        (0.0, 3.0, "less", 5.0, 1.0),
        (10.0, 3.0, "less", 5.0, 0.5),
    ],
)
def test_goodness_is_above_one_for_the_better(
    figure: float, other: float, better: str, floor: float, wanted: float | None
) -> None:
    assert goodness(figure, other, "more" if better == "more" else "less", floor) == wanted


def test_report_comes_back_from_json() -> None:
    assert Report.from_json(report().to_json()) == report()


def test_json_has_the_documented_fields() -> None:
    data = json.loads(report().to_json())

    assert list(data) == ["date", "rounds", "quick", "machine", "tables", "schema"]
    assert data["schema"] == SCHEMA
    assert list(data["machine"]) == [field.name for field in dataclasses.fields(Machine)]
    assert list(data["tables"][0]) == [field.name for field in dataclasses.fields(Table)]
    assert list(data["tables"][0]["rows"][0]) == [field.name for field in dataclasses.fields(Row)]


def test_json_keeps_four_digits() -> None:
    row = Row("a", "peer", 1, figure=1234567.89, figures=[0.000123456])

    text = dataclasses.replace(report(), tables=[Table("trivial", "", "", "more", [], 0.0, [row])]).to_json()

    assert '"figure": 1235000.0' in text
    assert "0.0001235" in text


def test_other_schema_is_refused() -> None:
    data = json.loads(report().to_json()) | {"schema": 0}

    with pytest.raises(ValueError, match=r"^results of schema 0, but this reads schema 1: measure again$"):
        Report.from_json(json.dumps(data))
