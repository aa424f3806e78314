"""Scripts started by a test end with it, whatever the test found."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

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
