"""What a benchmark is made of: a job, who does it, and what is measured. Data only."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import partial
from itertools import islice
from typing import Literal, Protocol

__all__ = [
    "Absent",
    "Better",
    "Entry",
    "Facts",
    "Job",
    "Kind",
    "MapFold",
    "Measure",
    "Sample",
    "WORKERS",
    "Workload",
    "daglites",
]

# The same for all, also where there are more processors: the targets are about two.
WORKERS = 2

Better = Literal["more", "less"]
# A limit is written by hand for one workload; daglite runs with its defaults; a peer is another library.
Kind = Literal["limit", "daglite", "peer"]


class Absent(Exception):
    """A contestant that cannot take part here; the text says why, for the table."""


@dataclass(frozen=True)
class Facts:
    """What is measured once for all rounds: `spins` take one millisecond of a processor that nobody else wants."""

    spins: int


@dataclass(frozen=True)
class Job:
    """A generator, functions applied to each item, a fold: what every contestant does in its own way.

    `together` is the chain of `steps` as one function written by hand. `merge` joins the accumulators of shares.
    `wanted` is what the fold must come to; `ends` says what a contestant may know beforehand: the number of items. With
    a `batch` the functions are applied to lists of so many items.
    """

    source: Callable[..., Iterator[object]]
    arguments: Mapping[str, object]
    steps: tuple[Callable[..., object], ...]
    together: Callable[..., object]
    fold: Callable[..., object]
    initial: object
    wanted: object
    ends: int
    merge: Callable[..., object] | None = None
    batch: int | None = None

    def items(self) -> Iterator[object]:
        """The source, started; its items in lists, where there is a `batch`."""
        items = self.source(**self.arguments)
        return items if self.batch is None else iter(partial(_list_of, items, self.batch), [])

    def folded(self, results: Iterator[object]) -> object:
        """The fold over results that are there already."""
        fold, total = self.fold, self.initial
        for result in results:
            total = fold(total, result)
        return total


def _list_of(items: Iterator[object], n: int) -> list[object]:
    return list(islice(items, n))


@dataclass(frozen=True)
class Entry:
    """A contestant in a workload: the module of `contestants` that does it, and in which of its ways.

    `share`: the slow ones get fewer items. `chunk` None means the contestant's own default.
    """

    name: str
    adapter: str
    way: str = ""
    kind: Kind = "peer"
    chunk: int | None = None
    workers: int = WORKERS
    share: float = 1.0
    window: int | None = None


def daglites(*ways: str, share: float = 1.0) -> tuple[Entry, ...]:
    """daglite on workers, in its other ways, and choosing among them."""
    other = [Entry(f"daglite {way}", "by_daglite", way, "daglite", share=share) for way in (*ways, "auto")]
    return Entry("daglite", "by_daglite", "processes", "daglite", share=share), *other


class MapFold(Protocol):
    """What a module of `contestants` has: it does the job and gives what the fold came to."""

    def __call__(self, job: Job, entry: Entry, /) -> object: ...


@dataclass(frozen=True)
class Sample:
    """One contestant in one round. `figure` is in the unit of the workload; `processor` counts all processes.

    `peak` is how many MB the coordinator grew at most.
    """

    figure: float
    seconds: float
    processor: float
    peak: float
    extras: Mapping[str, float] = field(default_factory=dict)


class Measure(Protocol):
    """Runs an entry once, in this process, and says what it took; raises `Absent`."""

    def __call__(self, entry: Entry, items: int, facts: Facts, /) -> Sample: ...


@dataclass(frozen=True)
class Workload:
    """What is measured, in which unit, for whom; `beside` names the entries that the others are divided by.

    Of figures below the `floor` none is better than another.
    """

    name: str
    what: str
    unit: str
    better: Better
    items: int
    entries: tuple[Entry, ...]
    measure: Measure
    beside: tuple[str, ...] = ()
    quick: float = 0.2
    floor: float = 0.0

    def entry(self, name: str) -> Entry:
        """The entry of this name."""
        return next(entry for entry in self.entries if entry.name == name)

    def size(self, entry: Entry, *, quick: bool) -> int:
        """How many items the entry gets."""
        return max(1, int(self.items * entry.share * (self.quick if quick else 1)))
