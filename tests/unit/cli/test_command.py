"""The command line for real: processes, workers, signals, a reader that leaves."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.paths import ROOT


def started(*arguments: str) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "daglite", *arguments]
    env = os.environ | {"PYTHONPATH": str(ROOT)}
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=env)


def error_of(running: subprocess.Popen[str]) -> str:
    assert running.stderr is not None
    with running.stderr:
        return running.stderr.read()


def test_items_are_printed_as_they_come(shop: Path) -> None:
    """The reader may leave before the end; an endless source has none."""
    with (shop / "shop.py").open("a") as file:
        file.write("import itertools\n@task\ndef endless() -> Iterator[int]:\n    yield from itertools.count()\n")
        file.write("forever = endless.iter().then(double)\n")
    running = started("run", "shop:forever", "--workers", "1")
    assert running.stdout is not None
    first = [running.stdout.readline() for _ in range(3)]
    running.stdout.close()

    assert first == ["0\n", "2\n", "4\n"]
    assert running.wait(timeout=60) == 141
    assert error_of(running) == ""


@pytest.mark.parametrize("method", ["auto", "fork", "forkserver", "spawn"])
def test_real_command_runs_workers(method: str) -> None:
    """Functions of a module that is named on the command line reach workers, however these are started."""
    running = started("run", "shop.py:items", "--workers", "2", "--start-method", method)
    out, err = running.communicate(timeout=100)

    assert (running.returncode, out, err) == (0, "0\n2\n4\n6\n", "")


def test_file_of_another_folder_finds_its_neighbours(shop: Path) -> None:
    """In workers too: its folder comes first on the path, as when Python runs the file."""
    (shop / "deep").mkdir()
    (shop / "deep" / "neighbour.py").write_text("from shop import *\n")
    (shop / "shop.py").rename(shop / "deep" / "shop.py")
    running = started("run", "deep/neighbour.py:items", "--workers", "1", "--start-method", "spawn")
    out, err = running.communicate(timeout=100)

    assert (running.returncode, out, err) == (0, "0\n2\n4\n6\n", "")


def test_installed_command_is_the_same() -> None:
    command = Path(sys.executable).parent / "daglite"
    done = subprocess.run([command, "--version"], capture_output=True, text=True, check=True)

    assert re.fullmatch(r"daglite \d+\.\d+\.\d+\n", done.stdout)


def test_failed_real_command_ends_with_1() -> None:
    running = started("run", "shop:broken", "--workers", "1")
    out, err = running.communicate(timeout=100)

    assert (running.returncode, out) == (1, "")
    assert "three is not allowed" in err


def test_interrupted_command_ends_with_130(shop: Path) -> None:
    """As by Ctrl-C: it reaches the whole group, workers too; nothing of the run is left."""
    with (shop / "shop.py").open("a") as file:
        file.write("import time\n@task\ndef slow(x: int) -> int:\n    open(f'{x}.began', 'w').close()\n")
        file.write("    time.sleep(600)\n    return x\nstuck = numbers.iter(n=2).then(slow)\n")
    command = [sys.executable, "-m", "daglite", "run", "shop:stuck", "--workers", "1"]
    env = os.environ | {"PYTHONPATH": str(ROOT)}
    running = subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=env, start_new_session=True
    )
    until = time.monotonic() + 60
    while not (shop / "0.began").exists() and time.monotonic() < until:
        time.sleep(0.01)
    os.killpg(running.pid, signal.SIGINT)
    out, err = running.communicate(timeout=60)

    assert (running.returncode, out, err) == (130, "", "interrupted\n")
