"""The command line while it watches a run, and what it makes of the times afterwards."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

from daglite.cli import main

Capture = pytest.CaptureFixture[str]


def test_a_report_goes_to_the_error_output(capsys: Capture) -> None:
    assert main(["run", "shop:pipeline", "--workers", "1", "--report"]) == 0

    out, err = capsys.readouterr()
    assert out == "12\n"
    assert err.startswith("run   ReduceFuture[int]   processes   ")
    assert " 1 +  workers      then double" in err


def test_a_failed_run_is_reported_too(capsys: Capture) -> None:
    assert main(["run", "shop:broken", "--workers", "1", "--report"]) == 1

    err = capsys.readouterr().err
    assert "ended by ValueError" in err
    assert "three is not allowed" in err


def test_a_run_that_did_not_begin_is_not_reported(capsys: Capture) -> None:
    assert main(["run", "shop:pipeline", "--report", "--trace", "no/where.json"]) == 2
    err = capsys.readouterr().err
    assert err.startswith("daglite run: `trace` must be the name of a file that can be written; got 'no/where.json'")
    assert err.count("\n") == 1


def test_a_trace_becomes_a_page(shop: Path, capsys: Capture) -> None:
    assert main(["run", "shop:items", "--workers", "1", "--trace", "run.json"]) == 0
    assert json.loads((shop / "run.json").read_text())["traceEvents"]
    assert main(["timeline", "run.json", "-o", "run.html"]) == 0
    capsys.readouterr()
    assert main(["timeline", "run.json"]) == 0

    page = (shop / "run.html").read_text()
    assert page.startswith("<!DOCTYPE html>")
    assert capsys.readouterr().out == page


@pytest.mark.parametrize("name", ["shop.py", "missing.json"])
def test_other_files_are_refused(name: str, capsys: Capture) -> None:
    assert main(["timeline", name]) == 2
    assert capsys.readouterr().err.startswith(f"daglite timeline: {name}: ")


def test_progress_is_shown_where_it_is_asked_for(shop: Path, capfd: pytest.CaptureFixture[str]) -> None:
    with (shop / "shop.py").open("a") as file:
        file.write("import time\n@task\ndef slow(x: int) -> int:\n    time.sleep(0.4)\n    return x\n")
        file.write("naps = numbers.iter(n=4).then(slow)\n")

    assert main(["run", "shop:naps", "--workers", "1", "--progress"]) == 0
    assert "slow  " in capfd.readouterr().err
    assert main(["run", "shop:naps", "--workers", "1", "--bars"]) == 0
    assert "slow" in capfd.readouterr().err
    assert main(["run", "shop:naps", "--workers", "1", "--no-progress"]) == 0
    assert capfd.readouterr().err == ""


def test_bars_need_their_extra(monkeypatch: pytest.MonkeyPatch, capsys: Capture) -> None:
    monkeypatch.delitem(sys.modules, "daglite.observe.bars", raising=False)
    monkeypatch.setitem(sys.modules, "rich.console", None)
    assert main(["run", "shop:pipeline", "--bars"]) == 2
    assert capsys.readouterr().err.startswith("daglite run: --bars needs the extra daglite[rich]: ")
