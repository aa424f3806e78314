"""The report as text."""

from __future__ import annotations

import pytest

from benchmarks.table import heading, number, seconds, table_text, targets_text
from tests.unit.benchmarks.samples import report

TRIVIAL = """\
trivial: nothing to do
                              items  items/s     A     B  CPU an item  peak MB  spread
  A fork + pipes, batch 1024  1,000   4.00 M  1.00  2.00      2.00 ms     3.50     50%
    daglite                   1,000   3.00 M  0.75  1.50      2.00 ms     3.50     50%
  B imap, chunk 256           1,000   2.00 M  0.50  1.00      2.00 ms     3.50     50%
    joblib                    not installed"""


def test_table_shows_ratios_and_who_is_missing() -> None:
    assert table_text(report().tables[0]) == TRIVIAL


def test_table_shows_small_ratios_and_extras() -> None:
    text = table_text(report().tables[1])

    assert "max ms" in text.splitlines()[1]
    assert text.splitlines()[-1].split()[:4] == ["executor", "1,000", "256", "0.001"]


def test_heading_says_when_and_with_what() -> None:
    text = heading(report())

    assert text.startswith("2026-11-25, 2 processors, Python 3.11.7, Linux x86_64; daglite 0.1.0\n")
    assert "3 rounds;" in text


def test_targets_of_a_part_are_those_that_were_measured() -> None:
    lines = [line.split() for line in targets_text(report()).splitlines()[2:]]

    assert [(line[0], line[-2], line[-1]) for line in lines] == [
        ("2", "0.75", "met"),
        ("2", "1.50", "met"),
        ("7", "0.50", "met"),
        ("7", "12.0", "MISSED"),
    ]


@pytest.mark.parametrize(
    ("value", "text"),
    [(0, "0"), (0.1234, "0.12"), (12.34, "12.3"), (123.4, "123"), (1234.5, "1,234"), (2_345_678, "2.35 M")],
)
def test_number_keeps_three_digits(value: float, text: str) -> None:
    assert number(value) == text


@pytest.mark.parametrize(("value", "text"), [(2, "2.00 s"), (0.0123, "12.3 ms"), (0.0000005, "0.50 us")])
def test_seconds_choose_their_unit(value: float, text: str) -> None:
    assert seconds(value) == text
