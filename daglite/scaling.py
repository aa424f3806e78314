"""How many workers one coordinator keeps busy: the model of docs/explanation/scale.md as arithmetic. Pure.

Every item passes the coordinator, which pulls, packs, unpacks and folds it, and every chunk of items passes the engine.
So N workers are busy where an item takes them N times as long as it takes the slowest of these.
"""

from __future__ import annotations

import math
from typing import Literal

from daglite.options import Limits
from daglite.records import record, replace

# Bytes a second that pass one coordinator, there and back.
BYTES = 300e6
# Seconds of work that a chunk holds at least on a cluster, so that what it costs is little beside it.
CLUSTER_AIM = 0.05
# What a batch holds at most, whatever it takes.
_MOST_BYTES = 8 * 1024 * 1024
# A shorter stream says more about its beginning than about what it would go on to be.
_SHORTEST = 0.1
# The coordinator is what all wait for where it has no more rest than this, and workers have so much.
_BUSY, _IDLE = 0.75, 0.25
_MANY = 1_000_000


@record(eq=True)
class EngineCost:
    """What an engine costs, in seconds: of the coordinator for an `item` and for a `chunk`, and of a `scheduler` that
    takes one chunk after the other. It stands `rate` chunks a second, and wants `least` seconds of work in each.
    """

    item: float
    chunk: float
    scheduler: float
    rate: float
    least: float

    def aim(self, workers: int) -> float:
        """The seconds of work that a chunk should hold: for many workers twice what keeps the engine busy."""
        return max(self.least, 2 * workers / self.rate)


# Measured on two cores (docs/explanation/scale.md says how): chunks by themselves, items in chunks of some hundred.
TOLLS = {
    "processes": EngineCost(0.25e-6, 35e-6, 0.0, math.inf, 0.002),
    "threads": EngineCost(0.6e-6, 35e-6, 0.0, math.inf, 0.002),
    "dask": EngineCost(1.5e-6, 0.65e-3, 1.4e-3, 700.0, CLUSTER_AIM),
    "ray": EngineCost(1.5e-6, 0.46e-3, 0.02e-3, 2000.0, CLUSTER_AIM),
}


@record(eq=True)
class ItemLoad:
    """Seconds that an item takes: `here` in the coordinator, apart from what its chunk costs, and `there` on a worker.
    `nbytes` are what it moves, there and back.
    """

    here: float
    there: float
    nbytes: float = 0.0


def slowest(load: ItemLoad, toll: EngineCost, workers: int, limits: Limits) -> float:
    """The seconds an item takes at the slowest of what all items pass one after the other."""
    cap = limits.batch_items(workers)[0]
    wanted = toll.aim(workers) / load.there if load.there else cap
    if load.nbytes:
        wanted = min(wanted, _MOST_BYTES / load.nbytes)
    items = max(1.0, min(cap, wanted))
    return max(load.here + toll.chunk / items, toll.scheduler / items, load.nbytes / BYTES)


def most_workers(load: ItemLoad, toll: EngineCost, limits: Limits) -> int:
    """How many workers the coordinator keeps busy; more of them make nothing faster."""

    def enough(workers: int) -> bool:
        return workers * slowest(load, toll, workers, limits) <= load.there

    low, high = 0, 1
    while high < _MANY and enough(high):
        low, high = high, 2 * high
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if enough(middle) else (low, middle)
    return low


def least_item(workers: int, toll: EngineCost, limits: Limits, here: float = 0.0) -> float:
    """The seconds that an item must take so many workers for all of them to be busy.

    `here` is what the coordinator's own tasks take for it.
    """
    low, high = 0.0, workers * (here + toll.item + toll.chunk + toll.scheduler)
    for _ in range(50):
        middle = (low + high) / 2
        short = workers * slowest(ItemLoad(here + toll.item, middle), toll, workers, limits) > middle
        low, high = (middle, high) if short else (low, middle)
    return high


PartKind = Literal["source", "operation", "task", "fold", "moving"]


@record(eq=True)
class CoordinatorPart:
    """Something that the coordinator does for each item, and the seconds that it took: of the task `name`."""

    kind: PartKind
    name: str
    seconds: float


@record(eq=True)
class StreamStats:
    """What was seen of a stream: it flowed for `seconds`, in `chunks` of its `items`, which moved `nbytes`.

    The coordinator was at work for `busy` of them (None: not known, as there were no workers), in these `parts` among
    other things, and its workers for `work` seconds together.
    """

    seconds: float
    workers: int
    items: int
    chunks: int
    nbytes: int
    busy: float | None
    work: float
    parts: tuple[CoordinatorPart, ...]

    @property
    def share(self) -> float:
        """The share of the time in which the coordinator was at work."""
        return 0.0 if self.busy is None or not self.seconds else min(1.0, self.busy / self.seconds)

    @property
    def idle(self) -> float:
        """The share of their time in which workers had nothing to do."""
        there = self.workers * self.seconds
        return max(0.0, 1.0 - self.work / there) if there else 0.0

    @property
    def largest(self) -> CoordinatorPart:
        """What the coordinator did most of the time; `moving` stands for what is not done by tasks."""
        return max(self.all_parts(), key=lambda part: part.seconds)

    def all_parts(self) -> tuple[CoordinatorPart, ...]:
        """The parts, with what is left for moving items."""
        rest = (self.busy or 0.0) - sum(part.seconds for part in self.parts)
        return (*self.parts, CoordinatorPart("moving", "", max(0.0, rest)))


def fitted(seen: StreamStats, toll: EngineCost) -> tuple[ItemLoad, EngineCost]:
    """What an item takes, as it was seen, and what the engine costs on that machine; `toll` is what it costs elsewhere.

    The time that is not of tasks goes to items and to chunks in the proportion in which `toll` has them.
    """
    items = max(1, seen.items)
    tasks = sum(part.seconds for part in seen.parts)
    usual = items * toll.item + seen.chunks * toll.chunk
    slower = 1.0 if seen.busy is None or not usual else max(0.0, seen.busy - tasks) / usual
    load = ItemLoad(tasks / items + slower * toll.item, seen.work / items, seen.nbytes / items)
    return load, replace(toll, item=slower * toll.item, chunk=slower * toll.chunk)


def is_bottleneck(seen: StreamStats) -> bool:
    """Whether the workers of a stream waited for its coordinator."""
    return seen.workers > 0 and seen.seconds >= _SHORTEST and seen.share >= _BUSY and seen.idle >= _IDLE


def advice(kind: PartKind) -> str:
    """What to do where this is what the coordinator is busy with."""
    match kind:
        case "source":
            return "let workers run the source: `.iter_partitions`"
        case "fold":
            return "let workers fold their own items: `.reduce(..., combine=...)`"
        case "task":
            return 'let workers run the task, without on="coordinator"'
        case "operation":
            return "let a task on workers do the costly part of the operation"
        case "moving":
            return "make items larger: `.batch(n)` before a task that takes lists"
