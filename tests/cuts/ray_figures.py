"""`python -m tests.cuts.ray_figures`: what faults of a Ray cluster cost, each caused some times; a table of medians.

Root only, with Ray installed. Four machines (network namespaces): the head, two with a worker each, and one for the
program; 600 items of 20 ms.
"""

from __future__ import annotations

import argparse
import os
import signal
import time
from collections.abc import Callable, Iterator

from tests.cuts.rays import HEAD, WORKER, Outcome, Rays, rays
from tests.cuts.watching import POISON, spread

ITEMS = 600
POISONED = "an item that kills its worker"
Event = Callable[[Rays], None]


def killed(here: Rays) -> None:
    """A process that runs tasks ends; Ray starts another when there is something to run."""
    while not (jobs := here.jobs(WORKER)):
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


EVENTS: dict[str, Event | None] = {
    "nothing": None,
    "a worker killed": killed,
    POISONED: None,
    "a worker's machine cut off for 5 s": cut_for_5_s,
    "a worker's machine cut off for good": cut_for_good,
    "the head killed": head_killed,
    "the head's machine cut off": head_cut,
}


# What a cluster outlives, so that one does for all repeats.
OUTLIVED = tuple(EVENTS)[:4]


def outcomes(name: str, event: Event | None, repeats: int) -> Iterator[Outcome]:
    """Runs with one fault each."""
    plan = "poison" if name == POISONED else "work"
    runs = [repeats] if name in OUTLIVED else [1] * repeats
    for together in runs:
        with rays() as here:
            for _ in range(together):
                yield here.run(plan, ITEMS, None if event is None else lambda: event(here))


def judged(name: str, seen: Outcome) -> str:
    """What came of the items; raises when something is wrong with them."""
    if name == POISONED or name.startswith("the head"):
        told = f"'deadly' on item {POISON}; started 3 times" if name == POISONED else "the Ray cluster"
        assert seen.error is not None
        assert told in seen.error, seen.error
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
        found = list(outcomes(name, event, repeats))
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
