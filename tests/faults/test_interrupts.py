"""Ctrl-C at the worst moments: while workers start, while they end, and a second time; and SIGTERM."""

from __future__ import annotations

import contextlib
import gc
import os
import random
import signal
import subprocess
import time
from pathlib import Path

import pytest

from tests.faults.scripts import Launch, children_of, gone_within, wait_for
from tests.tasks import count, double

pytestmark = pytest.mark.timeout(60)

# Many short runs: most of the time something starts or ends.
SHORT_RUNS = """
import sys
from pathlib import Path
from daglite import task

opened = closed = 0

@task
def numbers(n: int):
    global opened, closed
    opened += 1
    try:
        yield from range(n)
    finally:
        closed += 1

@task
def double(x: int) -> int:
    return x * 2

try:
    Path("ready").write_text("ready")
    while True:
        assert numbers.iter(n=3).then(double).run(workers=3, start_method=sys.argv[1]) == [0, 2, 4]
finally:
    Path("counts").write_text(f"{opened} {closed}")
"""


@pytest.mark.parametrize(("method", "times"), [("fork", 8), ("forkserver", 4), ("spawn", 2)])
def test_ctrl_c_during_starts_and_ends_leaves_nothing(method: str, times: int, tmp_path: Path, launch: Launch) -> None:
    moments = random.Random(method)
    for _ in range(times):
        for name in ("ready", "counts"):
            (tmp_path / name).unlink(missing_ok=True)
        process = launch(SHORT_RUNS, method)
        wait_for(tmp_path / "ready")
        time.sleep(moments.uniform(0, 0.3))
        others = children_of(process.pid)
        os.killpg(process.pid, signal.SIGINT)
        _, errors = process.communicate(timeout=20)
        assert process.returncode == -signal.SIGINT, errors
        assert "KeyboardInterrupt" in errors
        # No line of a worker, of the fork server or of the tracker of shared resources.
        assert errors.count("Traceback (most recent call last)") == 1, errors
        opened, closed = (tmp_path / "counts").read_text().split()
        assert opened == closed
        assert gone_within(others, 2) == []


STUBBORN = """
import sys, time
from pathlib import Path
from daglite import task

@task
def numbers():
    try:
        n = 0
        while True:
            yield n
            n += 1
    finally:
        Path("closing").write_text("closing")
        time.sleep(600)

@task
def work(x):
    Path("ready").write_text("ready")
    time.sleep(600)

numbers.iter().then(work).run(workers=2)
"""


def test_a_second_ctrl_c_ends_a_run_that_hangs_in_the_users_own_cleanup(tmp_path: Path, launch: Launch) -> None:
    process = launch(STUBBORN)
    wait_for(tmp_path / "ready")
    workers = children_of(process.pid)
    os.killpg(process.pid, signal.SIGINT)
    wait_for(tmp_path / "closing")
    time.sleep(0.1)
    assert process.poll() is None
    os.killpg(process.pid, signal.SIGINT)
    _, errors = process.communicate(timeout=20)
    assert process.returncode == -signal.SIGINT
    assert "daglite-worker" not in errors
    assert gone_within(workers, 2) == []


STUCK_SOURCE = """
import sys, time
from pathlib import Path
from daglite import task

@task
def numbers():
    try:
        yield 0
        Path("ready").write_text("ready")
        time.sleep(600)
        yield 1
    finally:
        Path("closed").write_text("closed")

@task
def work(x):
    time.sleep(600)

try:
    numbers.iter().then(work).run(workers=2)
finally:
    Path("ended").write_text("ended")
"""


def test_ctrl_c_reaches_a_source_that_waits(tmp_path: Path, launch: Launch) -> None:
    """The generator runs on the caller's thread: its own waiting is interrupted, and its `finally` runs."""
    process = launch(STUCK_SOURCE)
    wait_for(tmp_path / "ready")
    workers = children_of(process.pid)
    os.killpg(process.pid, signal.SIGINT)
    process.communicate(timeout=20)
    assert process.returncode == -signal.SIGINT
    assert (tmp_path / "closed").exists()
    assert (tmp_path / "ended").exists()
    assert gone_within(workers, 2) == []


@pytest.mark.parametrize("method", ["fork", "forkserver", "spawn"])
def test_sigterm_of_the_coordinator_leaves_nothing(method: str, tmp_path: Path, launch: Launch) -> None:
    """Its default action ends the coordinator on the spot; the kernel ends the workers, asleep as they are."""
    process = launch(STUCK_SOURCE.replace("workers=2", f"workers=2, start_method={method!r}"))
    wait_for(tmp_path / "ready")
    workers = children_of(process.pid)
    assert workers
    process.terminate()
    _, errors = process.communicate(timeout=20)
    assert process.returncode == -signal.SIGTERM
    assert errors == ""
    assert gone_within(workers, 2) == []


HANDLED = """
import signal, sys, time
from pathlib import Path
from daglite import task

signal.signal(signal.SIGTERM, lambda *_: sys.exit(5))

@task
def numbers():
    try:
        while True:
            yield 0
    finally:
        Path("closed").write_text("closed")

@task
def work(x):
    Path("ready").write_text("ready")
    time.sleep(600)

numbers.iter().then(work).run(workers=2)
"""


def test_a_handler_that_raises_ends_the_run_like_ctrl_c(tmp_path: Path, launch: Launch) -> None:
    """The usual way to end tidily at SIGTERM; a forked worker does not inherit the handler."""
    process = launch(HANDLED)
    wait_for(tmp_path / "ready")
    workers = children_of(process.pid)
    os.killpg(process.pid, signal.SIGTERM)
    process.communicate(timeout=20)
    assert process.returncode == 5
    assert (tmp_path / "closed").exists()
    assert gone_within(workers, 2) == []


SAVING = """
from daglite import DatasetStore, task
from pathlib import Path

@task
def numbers():
    n = 0
    while True:
        yield "x" * 200_000
        n += 1
        if n == 5:
            Path("ready").write_text("ready")

@task
def size(x):
    return len(x)

numbers.iter().save("{iteration_index}", save_store=DatasetStore("store")).then(size).run(workers=2)
"""


def test_ctrl_c_in_the_middle_of_a_save_leaves_whole_values_only(tmp_path: Path, launch: Launch) -> None:
    process = launch(SAVING)
    wait_for(tmp_path / "ready")
    os.killpg(process.pid, signal.SIGINT)
    with contextlib.suppress(subprocess.TimeoutExpired):
        process.communicate(timeout=20)
    assert process.returncode == -signal.SIGINT
    files = [one for one in (tmp_path / "store").iterdir()]
    assert len(files) >= 5
    assert not [one.name for one in files if one.suffix != ".pkl"]
    assert {one.stat().st_size > 200_000 for one in files} == {True}


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_a_program_that_goes_on_after_ctrl_c_has_nothing_left_of_the_runs(nothing_left: None) -> None:
    """At random moments, starts and ends included: no worker, no zombie, no descriptor; and the next run is healthy.

    (Python prints and forgets an interrupt that arrives in a finalizer: that run ends as if there had been none.)
    """
    moments, interrupted = random.Random(3), 0
    before = signal.signal(signal.SIGALRM, lambda *_: signal.raise_signal(signal.SIGINT))
    try:
        for _ in range(30):
            try:
                signal.setitimer(signal.ITIMER_REAL, moments.uniform(0.0005, 0.04))
                try:
                    count.iter(n=1000).then(double).run(workers=2, start_method="fork")
                finally:
                    signal.setitimer(signal.ITIMER_REAL, 0)
            except KeyboardInterrupt:
                interrupted += 1
    finally:
        signal.signal(signal.SIGALRM, before)
    assert interrupted > 3
    gc.collect()
    assert count.iter(n=3).then(double).run(workers=2) == [0, 2, 4]
