"""The table of what faults of a cluster cost, and the command that makes it.

`figures` has the faults of a Dask cluster, `ray_figures` those of one of Ray.
"""

from __future__ import annotations

import argparse
import signal
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Generic, Protocol, TypeVar

from tests.faults.cuts.watching import POISON, spread

__all__ = ["Fault", "ITEMS", "POISONED", "Told", "command", "judged"]

ITEMS = 600
POISONED = "an item that kills its worker"
C = TypeVar("C")


class Told(Protocol):
    """What was seen of a run: `watching.Seen`, or the outcome of a program."""

    items: list[int]
    gap: float
    seconds: float

    @property
    def error(self) -> object:
        """What ended it, with its text; None when it came to its end."""
        ...


@dataclass(frozen=True)
class Fault(Generic[C]):
    """What happens to a cluster; `told` is in the text of the error, where the run ends with one."""

    event: Callable[[C], None] | None = None
    told: str | None = None

    def beside(self, here: C) -> None:
        """Have it happen."""
        if self.event is not None:
            self.event(here)

    @staticmethod
    def poison() -> Fault[C]:
        """Nothing but an item that kills its worker."""
        return Fault(None, f"'deadly' on item {POISON}; started 3 times")


def judged(fault: Fault[C], seen: Told) -> str:
    """What came of the items; raises when something is wrong with them."""
    if fault.told is not None:
        assert seen.error is not None
        assert fault.told in str(seen.error), seen.error
        assert seen.items == list(range(len(seen.items)))
        return "error told"
    assert seen.error is None, seen.error
    assert seen.items == list(range(ITEMS))
    return "all once"


def command(
    doc: str | None, faults: Mapping[str, Fault[C]], runs: Callable[[str, Fault[C], int], Iterable[Told]]
) -> None:
    """Print the table, a row as soon as it is there; `runs` has a fault happen so many times."""
    parser = argparse.ArgumentParser(description=doc)
    parser.add_argument("--repeats", type=int, default=10)
    parser.add_argument("--only", default="", metavar="TEXT", help="faults with this in their name")
    # Whoever ends it early must find no network left.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    given = parser.parse_args()
    for row in _rows({name: fault for name, fault in faults.items() if given.only in name}, runs, given.repeats):
        print(row, flush=True)


def _rows(
    faults: Mapping[str, Fault[C]], runs: Callable[[str, Fault[C], int], Iterable[Told]], repeats: int
) -> Iterator[str]:
    yield "| fault | runs | items | longest time without one, s | whole run, s |"
    yield "|---|---|---|---|---|"
    for name, fault in faults.items():
        found = list(runs(name, fault, repeats))
        (outcome,) = {judged(fault, seen) for seen in found}
        # Where the run ends there is no time without one.
        gaps = spread([seen.gap for seen in found]) if outcome == "all once" else ""
        yield f"| {name} | {repeats} | {outcome} | {gaps} | {spread([seen.seconds for seen in found])} |"
