"""The command, once, in a hurry."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks.__main__ import main
from benchmarks.results import Report


def test_quick_run_prints_and_writes(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    results, drawn = tmp_path / "deep" / "results.json", tmp_path / "picture.svg"
    files = ["--json", str(results), "--picture", str(drawn)]

    assert main(["--quick", "--only", "trivial", *files]) == 0

    printed = capsys.readouterr().out
    report = Report.from_json(results.read_text())
    assert (report.rounds, report.quick, [table.name for table in report.tables]) == (1, True, ["trivial"])
    daglite = report.tables[0].row("daglite")
    assert daglite is not None
    assert daglite.items == 40_000
    assert "trivial: generator -> double" in printed
    assert "2 trivial, of imap" in printed
    assert drawn.read_text().startswith("<svg")

    drawn.unlink()
    assert main(["--read", str(results), *files]) == 0
    assert "trivial: generator -> double" in capsys.readouterr().out
    assert drawn.exists()
