"""Scripts started by a test end with it, whatever the test found; clusters with the module that asked for one."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from daglite.runtime.dataflow.flow_control import FlowControl
from daglite.runtime.scheduler import build_workers as routing
from tests.engines.conformance.commands import Commands
from tests.faults.clusters import Cluster
from tests.faults.scripts import Launch, start


@pytest.fixture
def launch(tmp_path: Path, no_process_left: None) -> Iterator[Launch]:
    """Start a script in a process group of its own, in the test's folder; the group is killed at the end."""
    started: list[subprocess.Popen[str]] = []

    def go(text: str, *arguments: str) -> subprocess.Popen[str]:
        started.append(start(tmp_path, text, *arguments))
        return started[-1]

    yield go
    for process in started:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.communicate()


@pytest.fixture(scope="module")
def kept(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    commands = Commands(tmp_path_factory.mktemp("kept"))
    try:
        made = Cluster(commands, 2)
        yield made
        made.client.close()
    finally:
        commands.end()


@pytest.fixture
def cluster(kept: Cluster) -> Iterator[Cluster]:
    """Two workers with nothing to do, whatever the test before this one did to them."""
    kept.client.wait_for_workers(2, timeout=30)
    assert kept.empty_within(10)
    # Ten times as long as any of them takes, and before its time is over.
    telling = threading.Timer(40, kept.tell)
    telling.daemon = True
    telling.start()
    yield kept
    telling.cancel()


@pytest.fixture
def notes(tmp_path: Path) -> Path:
    folder = tmp_path / "notes"
    folder.mkdir()
    return folder


@pytest.fixture
def windows(monkeypatch: pytest.MonkeyPatch) -> list[FlowControl]:
    """The windows of the runs of a test."""
    made: list[FlowControl] = []

    class Kept(FlowControl):
        def __init__(self, size: int, limit: int, *, folds: bool = False) -> None:
            super().__init__(size, limit, folds=folds)
            made.append(self)

    monkeypatch.setattr(routing, "FlowControl", Kept)
    return made
