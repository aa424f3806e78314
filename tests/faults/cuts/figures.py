"""`python -m tests.faults.cuts.figures`: a table of what faults of a Dask cluster cost, in medians.

Root only. Three machines (network namespaces): a scheduler, and two with a worker each; 600 items of 20 ms.
"""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterator
from functools import partial

import distributed

from tests.faults.cuts.machines import Machines, machines
from tests.faults.cuts.table import ITEMS, POISONED, Fault, command
from tests.faults.cuts.watching import Seen, poisoned, watch, work


def killed(here: Machines) -> None:
    """A worker process ends; its nanny starts another."""
    with distributed.Client(here.address, set_as_default=False) as client:
        (pid, *_) = client.run(os.getpid).values()
    assert isinstance(pid, int)
    os.kill(pid, signal.SIGKILL)


def cut_for_5_s(here: Machines) -> None:
    here.network.cut(1)
    time.sleep(5)
    here.network.heal(1)


def cut_for_good(here: Machines) -> None:
    here.network.cut(1)


def scheduler_killed(here: Machines) -> None:
    os.killpg(here.commands.running[0].pid, signal.SIGKILL)


def scheduler_cut(here: Machines) -> None:
    here.network.cut(0)


_LEFT = "the connection to the Dask scheduler"
FAULTS: dict[str, Fault[Machines]] = {
    "nothing": Fault(),
    "a worker killed": Fault(killed),
    POISONED: Fault.poison(),
    "a worker's machine cut off for 5 s": Fault(cut_for_5_s),
    "a worker's machine cut off for good": Fault(cut_for_good),
    "the scheduler killed": Fault(scheduler_killed, _LEFT),
    "the scheduler's machine cut off": Fault(scheduler_cut, _LEFT),
}


def runs(name: str, fault: Fault[Machines], repeats: int) -> Iterator[Seen]:
    """Runs with one fault each, each on machines of its own."""
    plan = poisoned(ITEMS) if name == POISONED else work(ITEMS)
    for _ in range(repeats):
        with machines() as here:
            yield watch(plan, here.dask, partial(fault.beside, here))


if __name__ == "__main__":
    command(__doc__, FAULTS, runs)
