"""`python -m tests.cuts.figures`: what faults of a Dask cluster cost, each caused some times; a table of medians.

Root only. Three machines (network namespaces): a scheduler, and two with a worker each; 600 items of 20 ms.
"""

from __future__ import annotations

import argparse
import os
import signal
import time
from collections.abc import Callable, Iterator

import distributed

from daglite.exceptions import ExecutionError
from tests.cuts.machines import Machines, machines
from tests.cuts.watching import POISON, Seen, poisoned, spread, watch, work

ITEMS = 600
POISONED = "an item that kills its worker"
Event = Callable[[Machines], None]


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


EVENTS: dict[str, Event | None] = {
    "nothing": None,
    "a worker killed": killed,
    POISONED: None,
    "a worker's machine cut off for 5 s": cut_for_5_s,
    "a worker's machine cut off for good": cut_for_good,
    "the scheduler killed": scheduler_killed,
    "the scheduler's machine cut off": scheduler_cut,
}


def once(name: str, event: Event | None) -> Seen:
    """One run with one fault."""
    plan = poisoned(ITEMS) if name == POISONED else work(ITEMS)
    with machines() as here:
        return watch(plan, here.dask, lambda: None if event is None else event(here))


def judged(name: str, seen: Seen) -> str:
    """What came of the items; raises when something is wrong with them."""
    if name == POISONED:
        assert f"'deadly' on item {POISON}; started 3 times" in str(seen.error)
    if name == POISONED or name.startswith("the scheduler"):
        assert isinstance(seen.error, ExecutionError), seen.error
        assert seen.items == list(range(len(seen.items)))
        return "error told"
    assert seen.error is None, seen.error
    assert seen.items == list(range(ITEMS))
    return "all once"


def rows(repeats: int, only: str) -> Iterator[str]:
    """The table, a row as soon as it is there."""
    yield "| fault | runs | items | longest time without one, s | whole run, s |"
    yield "|---|---|---|---|---|"
    for name, event in [pair for pair in EVENTS.items() if only in pair[0]]:
        found = [once(name, event) for _ in range(repeats)]
        (outcome,) = {judged(name, seen) for seen in found}
        # Where the run ends there is no time without one.
        gaps = spread([seen.gap for seen in found]) if outcome == "all once" else ""
        yield f"| {name} | {repeats} | {outcome} | {gaps} | {spread([seen.seconds for seen in found])} |"


def main() -> None:
    """The command."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repeats", type=int, default=10)
    # Whoever ends it early must find no network left.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    parser.add_argument("--only", default="", metavar="TEXT", help="faults with this in their name")
    given = parser.parse_args()
    for row in rows(given.repeats, given.only):
        print(row, flush=True)


if __name__ == "__main__":
    main()
