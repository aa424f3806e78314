"""Scripts run as programs of their own, and what can be seen of them and of tasks from outside."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

__all__ = ["Launch", "alive", "children_of", "gone_within", "noted", "start", "starts", "wait_for"]

# Starts a script with arguments; see the fixture `launch`.
Launch = Callable[..., subprocess.Popen[str]]


def start(folder: Path, text: str, *arguments: str) -> subprocess.Popen[str]:
    """Run a script in a process group of its own."""
    script = folder / "script.py"
    script.write_text(text)
    command = [sys.executable, "-X", "faulthandler", str(script), *arguments]
    return subprocess.Popen(
        command, cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True
    )


def wait_for(path: Path, seconds: float = 20, *, holding: str = "") -> str:
    """The text of a file, once it is there and not empty, and holds this."""
    deadline = time.monotonic() + seconds
    while not path.exists() or not (found := path.read_text()) or holding not in found:
        assert time.monotonic() < deadline, f"{path.name} did not appear" + (f" with {holding!r}" if holding else "")
        time.sleep(0.005)
    return found


def children_of(pid: int) -> list[int]:
    """The processes started by `pid`, directly or by those it started."""
    found: list[int] = []
    for entry in Path("/proc").iterdir():
        if not entry.name.isdigit():
            continue
        try:
            parent = int((entry / "stat").read_text().rpartition(")")[2].split()[1])
        except (OSError, IndexError):
            continue
        if parent == pid:
            found += [int(entry.name), *children_of(int(entry.name))]
    return found


def alive(pids: list[int]) -> list[int]:
    """Those of `pids` that still run; zombies count as gone."""
    running = []
    for pid in pids:
        try:
            state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
        except OSError:
            continue
        if state != "Z":
            running.append(pid)
    return running


def gone_within(pids: list[int], seconds: float) -> list[int]:
    """Those of `pids` that still run after that time."""
    deadline = time.monotonic() + seconds
    while (left := alive(pids)) and time.monotonic() < deadline:
        time.sleep(0.01)
    return left


def noted(folder: str, x: int) -> None:
    """Write down that an item was started."""
    with open(f"{folder}/{x}", "a") as file:
        file.write("x")


def starts(folder: Path) -> dict[int, int]:
    """How often each item was started."""
    return {int(file.name): file.stat().st_size for file in folder.iterdir()}
