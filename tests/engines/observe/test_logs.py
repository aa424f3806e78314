"""Runs in the log."""

from __future__ import annotations

import logging
import re
from pathlib import Path

import pytest

import daglite
from daglite.observe import Logging
from daglite.options import RuntimeName
from tests.unit.observe.recording import count_up, dies_once, fold, square


def test_a_run_is_logged_from_its_beginning_to_its_end(runtime: RuntimeName, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO, "daglite"):
        count_up.iter(n=4).then(square).reduce(fold, initial=0).run(runtime=runtime, workers=1, observers=[Logging()])

    told = [re.sub(r"[\d.]+ [mu]?s\b", "TIME", record.getMessage()) for record in caplog.records]
    told = [re.sub(r"\d in flight", "N in flight", text) for text in told if not text.startswith("a run inside")]
    assert told == [
        f"a run begins: ReduceFuture[int], {runtime}, 1 stage",
        "stage 0 begins: count_up -> square -> fold",
        "stage 0 ends after TIME: 4 items, N in flight at most",
        "the run is done after TIME",
    ]


def test_deaths_are_warnings(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    log = logging.getLogger("tests.mine")
    stream = count_up.iter(n=9).then(dies_once, at=5, mark=str(tmp_path / "died"))
    with caplog.at_level(logging.WARNING, "tests.mine"):
        stream.run(workers=1, observers=[Logging(log, logging.DEBUG)])

    (told,) = [record for record in caplog.records if record.name == "tests.mine"]
    assert told.levelno == logging.WARNING
    assert re.fullmatch(r"worker \d+ died, exit code 3", told.getMessage())


def test_an_error_is_told_by_its_name(caplog: pytest.LogCaptureFixture) -> None:
    def bad(x: int) -> int:
        raise ValueError("never")

    with caplog.at_level(logging.INFO, "daglite"), pytest.raises(ValueError, match="never"):
        daglite.task(bad).map(x=[1]).run(runtime="inline", observers=[Logging()])
    assert caplog.records[-1].getMessage().startswith("the run ends with ValueError after ")
