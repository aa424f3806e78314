"""What daglite is to reach."""

from __future__ import annotations

import dataclasses

import pytest

from benchmarks.catalogue import MODULES, workload
from benchmarks.results import Report, Row, Table, table_of
from benchmarks.targets import TARGETS, Target, verdicts
from tests.unit.benchmarks.samples import report, row


def found(tables: list[Table], text: str) -> float | None:
    """What the target that begins so finds."""
    (verdict,) = [
        verdict for verdict in verdicts(dataclasses.replace(report(), tables=tables)) if verdict.text.startswith(text)
    ]
    return verdict.found


def test_nothing_measured_is_neither_met_nor_missed() -> None:
    empty = Report("2026-11-25", 1, True, report().machine, [])

    assert {verdict.word for verdict in verdicts(empty)} == {"not measured"}


def test_every_target_looks_at_rows_that_exist() -> None:
    """A report in which every contestant has the same figure answers every target."""
    tables, extras = [], dict.fromkeys(["printed", "max ms", "import ms"], 1.0)
    for name in MODULES:
        found = workload(name)
        tables.append(table_of(found, [row(entry.name, 1.0, entry.kind, extras) for entry in found.entries]))

    unanswered = [v.text for v in verdicts(dataclasses.replace(report(), tables=tables)) if v.found is None]

    assert unanswered == []


def test_best_chunk_is_the_one_to_beat() -> None:
    trivial = report().tables[0]
    trivial.rows.append(row("imap, chunk 1024", 6_000_000))

    assert found([trivial], "2 trivial, of imap") == 0.5


def test_widest_lead_counts() -> None:
    rows = [
        row("daglite", 5, extras={"printed": 10}),
        row("daglite, window 8", 12, extras={"printed": 8}),
        row("imap", 99),
    ]

    assert found([Table("ahead", "", "items", "less", [], 0.0, rows)], "4 source ahead") == 1.5


def test_auto_is_compared_with_the_best_of_the_others() -> None:
    def table(name: str, better: str, auto: float, *others: float) -> Table:
        rows = [row("daglite auto", auto, "daglite"), row("loop", 100, "limit")]
        rows += [row(f"daglite {place}", figure, "daglite") for place, figure in enumerate(others)]
        return Table(name, "", "", "more" if better == "more" else "less", [], 0.0, rows)

    assert found([table("trivial", "more", 9, 10, 3)], "10 auto") == 0.9
    assert found([table("trivial", "more", 9, 10, 3), table("latency", "less", 4, 2, 9)], "10 auto") == 0.5
    assert found([table("memory", "less", 4, 2)], "10 auto") is None


def test_one_worker_is_no_part_of_the_busy_level() -> None:
    def rows(*figures: float) -> list[Row]:
        return [
            row(f"{count} worker{'s' * (count > 1)}", figure) for count, figure in zip((1, 2, 4), figures, strict=True)
        ]

    assert found([Table("workers_one_ms", "", "", "more", [], 0.0, rows(1, 4, 5))], "9 workers 2 to 8") == 0.8
    assert found([Table("workers", "", "", "more", [], 0.0, rows(1, 4, 5))], "9 workers 1 to 8") == 0.2


@pytest.mark.parametrize("target", TARGETS, ids=lambda target: target.text)
def test_target_has_one_bound(target: Target) -> None:
    assert sum(bound is not None for bound in (target.least, target.most)) == 1
