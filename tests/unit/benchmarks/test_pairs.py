"""Two checkouts in pairs."""

from __future__ import annotations

import pytest

from benchmarks import pairs
from benchmarks.pairs import in_pairs, ratio_of
from benchmarks.shape import Better, Entry, Facts, Sample, Workload
from benchmarks.turns import Probe


def measured(entry: Entry, items: int, facts: Facts) -> Sample:
    """A measure that is never asked."""
    raise AssertionError("a workload of these tests was measured")


def a_workload(better: Better) -> Workload:
    """A workload with a row of daglite and one of a peer."""
    entries = Entry("daglite", "", kind="daglite"), Entry("imap", "")
    return Workload("w", "", "", better, 100, entries, measured)


@pytest.mark.parametrize(("better", "middle"), [("more", 2.0), ("less", 0.5)])
def test_rows_of_daglite_take_turns(better: Better, middle: float, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each pair is measured here, then there; peers are the same in both and are left out."""
    monkeypatch.setattr(pairs, "workload", lambda name: a_workload(better))
    order: list[str] = []

    def probe(where: str, figure: float) -> Probe:
        def measure(workload: Workload, entry: Entry, items: int) -> Sample:
            order.append(f"{entry.name} {where}")
            return Sample(figure, 1, 1, 1)

        return measure

    (row,) = in_pairs(["w"], probe("here", 4.0), probe("there", 2.0), 3, False, lambda text: None)

    assert order == ["daglite here", "daglite there"] * 3
    assert row.ratios == (middle,) * 3
    assert row.text.endswith("worse") is (better == "less")


def test_a_row_that_fails_tells_why(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pairs, "workload", lambda name: a_workload("more"))

    (row,) = in_pairs(["w"], lambda *_: "no numpy", lambda *_: Sample(1, 1, 1, 1), 3, False, lambda text: None)

    assert (row.ratios, row.text.split()) == ((), ["w", "daglite", "no", "numpy"])


def test_figures_below_the_floor_are_the_same() -> None:
    assert ratio_of(0.2, 0.9, "less", 1.0) == 1.0
    assert ratio_of(2.0, 0.5, "less", 1.0) == 0.5
    assert ratio_of(0.0, 0.0, "more", 0.0) == 1.0
