"""Two checkouts of daglite in pairs: each entry is measured here, then in the other checkout, and so on.

What the machine does besides meets both halves of a pair alike, so the median of the ratios holds where single figures
of a shared machine do not.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from statistics import median
from typing import NamedTuple

from benchmarks.catalogue import workload
from benchmarks.shape import Better, Entry, Sample, Workload
from benchmarks.turns import Probe

# A row below this is worse: differences up to 3 % are noise or not worth a change.
WORSE = 0.97


class PairedRow(NamedTuple):
    """An entry of a workload: how many times as good it is here, pair by pair; or why there are no figures."""

    workload: str
    entry: str
    ratios: tuple[float, ...]
    problem: str = ""

    @property
    def text(self) -> str:
        """One line: the median of the ratios, and the smallest and the largest."""
        if not self.ratios:
            return f"{self.workload:<16}{self.entry:<24}{self.problem}"
        middle = median(self.ratios)
        marked = "   worse" if middle < WORSE else ""
        spread = f"{min(self.ratios):.3f} to {max(self.ratios):.3f}"
        return f"{self.workload:<16}{self.entry:<24}{middle:6.3f}   {spread}{marked}"


def in_pairs(
    names: Iterable[str], here: Probe, there: Probe, pairs: int, quick: bool, told: Callable[[str], None]
) -> Iterator[PairedRow]:
    """Measure the rows of daglite in these workloads; a row is given when its pairs are done."""
    for name in names:
        found = workload(name)
        for entry in found.entries:
            if entry.kind == "daglite":
                yield _paired(found, entry, here, there, pairs, quick, told)


def _paired(
    found: Workload, entry: Entry, here: Probe, there: Probe, pairs: int, quick: bool, told: Callable[[str], None]
) -> PairedRow:
    ratios, items = list[float](), found.size(entry, quick=quick)
    for number in range(pairs):
        told(f"{found.name}: pair {number + 1} of {pairs}, {entry.name}")
        samples = [probe(found, entry, items) for probe in (here, there)]
        for sample in samples:
            if not isinstance(sample, Sample):
                return PairedRow(found.name, entry.name, (), sample)
        ours, theirs = [sample.figure for sample in samples if isinstance(sample, Sample)]
        ratios.append(ratio_of(ours, theirs, found.better, found.floor))
    return PairedRow(found.name, entry.name, tuple(ratios))


def ratio_of(ours: float, theirs: float, better: Better, floor: float) -> float:
    """How many times as good a figure is as another; below the `floor` of the workload both are the same."""
    ours, theirs = max(ours, floor), max(theirs, floor)
    if ours == theirs:
        return 1.0
    good, bad = (ours, theirs) if better == "more" else (theirs, ours)
    return good / bad if bad else float("inf")
