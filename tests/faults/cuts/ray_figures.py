"""`python -m tests.faults.cuts.ray_figures`: a table of what faults of a Ray cluster cost, in medians.

Root only, with Ray installed. Four machines (network namespaces): the head, two with a worker each, and one for the
program; 600 items of 20 ms.
"""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterator
from functools import partial

from tests.faults.cuts.rays import HEAD, WORKER, Outcome, Rays, rays
from tests.faults.cuts.table import ITEMS, POISONED, Fault, command


def killed(here: Rays) -> None:
    """A process that runs tasks ends; Ray starts another when there is something to run."""
    until = time.monotonic() + 20
    while not (jobs := here.jobs(WORKER)):
        assert time.monotonic() < until, "nothing runs on that machine"
        time.sleep(0.01)
    os.kill(jobs[0], signal.SIGKILL)


def cut_for_5_s(here: Rays) -> None:
    here.network.cut(WORKER)
    time.sleep(5)
    here.network.heal(WORKER)


def cut_for_good(here: Rays) -> None:
    here.network.cut(WORKER)


def head_killed(here: Rays) -> None:
    here.crash(HEAD)


def head_cut(here: Rays) -> None:
    here.network.cut(HEAD)


_LEFT = "the Ray cluster"
FAULTS: dict[str, Fault[Rays]] = {
    "nothing": Fault(),
    "a worker killed": Fault(killed),
    POISONED: Fault.poison(),
    "a worker's machine cut off for 5 s": Fault(cut_for_5_s),
    "a worker's machine cut off for good": Fault(cut_for_good),
    "the head killed": Fault(head_killed, _LEFT),
    "the head's machine cut off": Fault(head_cut, _LEFT),
}
# What a cluster outlives, so that one does for all repeats.
OUTLIVED = tuple(FAULTS)[:4]


def run(here: Rays, name: str, fault: Fault[Rays]) -> Outcome:
    """A run with this fault."""
    return here.run("poison" if name == POISONED else "work", ITEMS, partial(fault.beside, here))


def runs(name: str, fault: Fault[Rays], repeats: int) -> Iterator[Outcome]:
    """Runs with one fault each."""
    for together in [repeats] if name in OUTLIVED else [1] * repeats:
        with rays() as here:
            for _ in range(together):
                yield run(here, name, fault)


if __name__ == "__main__":
    command(__doc__, FAULTS, runs)
