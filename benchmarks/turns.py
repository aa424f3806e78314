"""Rounds: every contestant once, then every contestant again, each time in a process of its own."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from benchmarks.results import Row, row_of
from benchmarks.shape import Entry, Facts, Sample, Workload

__all__ = ["Probe", "in_turns", "probing"]

ROOT = Path(__file__).parent.parent
PATIENCE = 60.0

# Measures an entry once; text says why it cannot.
Probe = Callable[[Workload, Entry, int], Sample | str]


def in_turns(workload: Workload, rounds: int, quick: bool, probe: Probe, told: Callable[[str], None]) -> list[Row]:
    """A B C, A B C, ...: what the machine does besides meets all alike. Who fails once is not asked again."""
    samples: dict[str, list[Sample]] = {entry.name: [] for entry in workload.entries}
    absent: dict[str, str] = {}
    for number in range(rounds):
        for entry in workload.entries:
            if entry.name in absent:
                continue
            told(f"{workload.name}: round {number + 1} of {rounds}, {entry.name}")
            found = probe(workload, entry, workload.size(entry, quick=quick))
            if isinstance(found, Sample):
                samples[entry.name].append(found)
            else:
                absent[entry.name] = found
    return [
        row_of(entry, workload.size(entry, quick=quick), samples[entry.name], absent.get(entry.name))
        for entry in workload.entries
    ]


@contextmanager
def probing(facts: Facts, root: Path = ROOT) -> Iterator[Probe]:
    """A probe that starts processes of the checkout at `root`, with a folder of their own for compiled modules."""
    with tempfile.TemporaryDirectory(prefix="benchmarks-") as folder:
        environment = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
        environment |= {"PYTHONPYCACHEPREFIX": folder, "PYTHONPATH": str(root), "TMPDIR": folder}

        def probe(workload: Workload, entry: Entry, items: int) -> Sample | str:
            return _probe([workload.name, entry.name, str(items), str(facts.spins)], environment, root)

        yield probe


def _probe(arguments: list[str], environment: dict[str, str], root: Path) -> Sample | str:
    """In a session of its own, so that all of it can be ended when it hangs."""
    with subprocess.Popen(
        [sys.executable, "-m", "benchmarks.probe", *arguments],
        env=environment,
        cwd=root,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        start_new_session=True,
        text=True,
    ) as process:
        try:
            printed, complaints = process.communicate(timeout=PATIENCE)
        except subprocess.TimeoutExpired:
            return f"fails: no end after {PATIENCE:g} s"
        finally:
            _end(process)
    if process.returncode != 0 or not printed.strip():
        last = complaints.strip().splitlines()[-1:] or [f"exit code {process.returncode}"]
        return _failure(last[0])
    outcome = json.loads(printed.strip().splitlines()[-1])
    if "failed" in outcome:
        return _failure(outcome["failed"])
    return outcome["absent"] if "absent" in outcome else Sample(**outcome)


def _failure(text: str) -> str:
    """For the table and for JSON, where no folder of this machine belongs."""
    return f"fails: {text.replace(str(ROOT), '.')}"


def _end(process: subprocess.Popen[str]) -> None:
    """Also what a contestant left running, and after Ctrl-C."""
    try:
        os.killpg(process.pid, signal.SIGKILL)
    except ProcessLookupError:
        pass
