"""Kills workers of a process at random until that process is gone; writes one letter for each: h (held an item), i.

python -m tests.faults.soak.killer PID MARKS KILLS SEED
"""

from __future__ import annotations

import contextlib
import os
import random
import signal
import sys
import time
from pathlib import Path

from tests.conftest import SERVANTS, ancestry, processes
from tests.faults.soak.steps import is_holding

PACE = 0.1
# How many of those are left alone that have not worked yet: if none ever comes to work, the run rightly gives up.
SPARED = 0.9


def workers_of(pid: int) -> list[int]:
    """The descendants of `pid` but for this process, the fork server and the tracker of shared resources."""
    table = processes()
    if pid not in table:
        raise SystemExit(0)
    found = []
    for process in table.values():
        servant = process.parent == pid and any(name in process.command for name in SERVANTS)
        if table[pid] in ancestry(process, table)[1:] and not servant and process.pid != os.getpid():
            found.append(process.pid)
    return found


def stopped(pid: int) -> bool:
    """Stop a process, so that what it does can be looked at; False when it is gone."""
    os.kill(pid, signal.SIGSTOP)
    until = time.monotonic() + 1
    while time.monotonic() < until:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
        if state in "TZX":
            return state == "T"
    return False


def main(pid: int, marks: Path, kills: Path, seed: int) -> None:
    rng = random.Random(seed)
    with kills.open("a") as file:
        while True:
            time.sleep(rng.expovariate(1 / PACE))
            workers = workers_of(pid)
            if not workers:
                continue
            victim = rng.choice(workers)
            if not (marks / str(victim)).exists() and rng.random() < SPARED:
                continue
            with contextlib.suppress(OSError):
                alive = stopped(victim)
                held = is_holding(marks, victim)
                os.kill(victim, signal.SIGKILL)
                # Another process may get its number.
                (marks / str(victim)).unlink(missing_ok=True)
                if alive:
                    file.write("h" if held else "i")
                    file.flush()


if __name__ == "__main__":
    main(int(sys.argv[1]), Path(sys.argv[2]), Path(sys.argv[3]), int(sys.argv[4]))
