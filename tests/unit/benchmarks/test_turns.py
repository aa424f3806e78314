"""Rounds, and the processes in which contestants are measured."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterator

import pytest

from benchmarks import turns
from benchmarks.catalogue import MODULES, workload
from benchmarks.doing import adapter
from benchmarks.shape import Absent, Entry, Facts, Sample, Workload
from benchmarks.turns import Probe, in_turns, probing


def silent(text: str) -> None:
    """Tells nobody."""


def a_workload(*names: str) -> Workload:
    """One that is never really measured."""

    def measure(entry: Entry, items: int, facts: Facts) -> Sample:
        raise AssertionError("a workload of these tests was measured")

    return Workload("w", "", "", "more", 100, tuple(Entry(name, "", share=0.5) for name in names), measure)


def test_contestants_take_turns_and_get_medians() -> None:
    asked = []

    def probe(workload: Workload, entry: Entry, items: int) -> Sample:
        asked.append((entry.name, items))
        return Sample(len(asked), 1, 1, 1)

    rows = in_turns(a_workload("a", "b"), 3, False, probe, silent)

    assert asked == [("a", 50), ("b", 50)] * 3
    assert [(row.contestant, row.figure) for row in rows] == [("a", 3), ("b", 4)]


def test_one_that_fails_is_not_asked_again() -> None:
    asked = []

    def probe(workload: Workload, entry: Entry, items: int) -> Sample | str:
        asked.append(entry.name)
        return "not installed" if entry.name == "b" else Sample(1, 1, 1, 1)

    rows = in_turns(a_workload("a", "b"), 2, True, probe, silent)

    assert asked == ["a", "b", "a"]
    assert [(row.items, row.absent) for row in rows] == [(10, None), (10, "not installed")]


@pytest.fixture(scope="module")
def probe() -> Iterator[Probe]:
    with probing(Facts(spins=100)) as found:
        yield found


@pytest.mark.parametrize(
    ("name", "entry", "items", "figure"),
    [
        ("argument", "loop", 5, 0),
        ("argument", "daglite", 20, 2),
        ("argument", "imap", 5, 5),
        ("ahead", "daglite, window 8", 50, 8),
        ("ahead", "executor", 50, 50),
    ],
)
def test_probe_counts(name: str, entry: str, items: int, figure: float, probe: Probe) -> None:
    found = workload(name)

    sample = probe(found, found.entry(entry), items)

    assert isinstance(sample, Sample), sample
    assert sample.figure == figure


@pytest.mark.parametrize(
    ("name", "entry", "items"),
    [
        ("trivial", "fork + pipes, batch 1024", 5000),
        ("trivial", "loop", 50),
        ("one_ms", "shares by hand", 11),
        ("one_ms", "loop", 11),
        ("threads", "shares by hand", 64),
        ("latency", "fork + pipes, own feeder", 2),
        ("arrays", "shared memory by hand", 5),
        ("arrays_back", "shared memory by hand", 5),
        ("memory", "daglite", 100),
        ("slow_head", "imap", 3),
        ("nodes", "1,000 nodes", 50),
        ("start", "daglite", 10),
    ],
)
def test_probe_gives_a_checked_sample(name: str, entry: str, items: int, probe: Probe) -> None:
    found = workload(name)

    sample = probe(found, found.entry(entry), items)

    assert isinstance(sample, Sample), sample
    assert sample.seconds > 0


def test_probe_tells_why_a_contestant_cannot(probe: Probe) -> None:
    found = workload("closure")

    # It is a `PicklingError` since 3.14.
    assert re.match("fails: (Attribute|Pickling)Error: Can't ", str(probe(found, found.entry("imap"), 2)))


def test_failure_names_no_folder_of_the_machine(probe: Probe) -> None:
    found = a_workload("a")

    # It is not in the catalogue, so the process ends with a traceback.
    assert probe(found, found.entry("a"), 1) == "fails: KeyError: 'w'"
    assert turns._failure(f"no {turns.ROOT}/x") == "fails: no ./x"


def test_probe_that_does_not_end_is_ended(probe: Probe, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(turns, "PATIENCE", 0.5)
    found = workload("latency")

    assert probe(found, found.entry("daglite"), 10_000) == "fails: no end after 0.5 s"


@pytest.mark.parametrize("name", list(MODULES))
def test_workload_is_put_together_well(name: str) -> None:
    found = workload(name)
    names = [entry.name for entry in found.entries]

    assert len(set(names)) == len(names)
    assert set(found.beside) <= set(names)
    for entry in found.entries:
        # Not installed is no mistake; any other error is.
        with contextlib.suppress(Absent):
            assert not entry.adapter or callable(adapter(entry))
