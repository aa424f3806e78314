"""The number of workers that one coordinator keeps busy: the model of docs/explanation/scale.md as arithmetic. Pure.

Every item passes the coordinator, which pulls, serializes and folds it, and every batch passes the engine. N workers
are busy where an item takes a worker N times as long as it takes the slowest of these.
"""

from __future__ import annotations

import math
from typing import Literal

from daglite.options import Limits
from daglite.records import record, replace

# Bytes a second that pass one coordinator, in both directions.
BYTES = 300e6
# The least work of a batch on a cluster, in seconds, so that the cost of the batch is small beside it.
CLUSTER_BATCH_SECONDS = 0.05
# The most bytes of a batch.
_MOST_BYTES = 8 * 1024 * 1024
# A shorter stream, in seconds, shows its start-up rather than its steady state.
_SHORTEST = 0.1
# The coordinator is a bottleneck where it is at work for at least the one share, and workers are idle for the other.
_BUSY, _IDLE = 0.75, 0.25
_MOST_WORKERS = 1_000_000


@record(eq=True)
class EngineCost:
    """The costs of an engine, in seconds: of the coordinator for each `item` and each `batch`, of a `scheduler` for
    each batch, one at a time. It handles `rate` batches a second, and wants at least `least` seconds of work in each.
    """

    item: float
    batch: float
    scheduler: float
    rate: float
    least: float

    def batch_seconds(self, workers: int) -> float:
        """Return the seconds of work that a batch should hold: for many workers twice what keeps the engine busy."""
        return max(self.least, 2 * workers / self.rate)


# Measured on two cores (docs/explanation/scale.md says how): batches by themselves, items in batches of some hundred.
ENGINE_COSTS = {
    "processes": EngineCost(0.25e-6, 35e-6, 0.0, math.inf, 0.002),
    "threads": EngineCost(0.6e-6, 35e-6, 0.0, math.inf, 0.002),
    "dask": EngineCost(1.5e-6, 0.65e-3, 1.4e-3, 700.0, CLUSTER_BATCH_SECONDS),
    "ray": EngineCost(1.5e-6, 0.46e-3, 0.02e-3, 2000.0, CLUSTER_BATCH_SECONDS),
}


@record(eq=True)
class ItemLoad:
    """The seconds that an item takes: in the `coordinator`, without the cost of its batch, and on a `worker`.

    `nbytes` is the size of the item and its result.
    """

    coordinator: float
    worker: float
    nbytes: float = 0.0


def slowest(load: ItemLoad, cost: EngineCost, workers: int, limits: Limits) -> float:
    """Return the seconds that an item takes at the slowest stage that all items pass one after the other."""
    most = limits.batch_items(workers)[0]
    wanted = cost.batch_seconds(workers) / load.worker if load.worker else most
    if load.nbytes:
        wanted = min(wanted, _MOST_BYTES / load.nbytes)
    items = max(1.0, min(most, wanted))
    return max(load.coordinator + cost.batch / items, cost.scheduler / items, load.nbytes / BYTES)


def most_workers(load: ItemLoad, cost: EngineCost, limits: Limits) -> int:
    """Return the largest number of workers that the coordinator keeps busy; more of them make nothing faster."""

    def busy(workers: int) -> bool:
        return workers * slowest(load, cost, workers, limits) <= load.worker

    low, high = 0, 1
    while high < _MOST_WORKERS and busy(high):
        low, high = high, 2 * high
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if busy(middle) else (low, middle)
    return low


def least_item(workers: int, cost: EngineCost, limits: Limits, coordinator: float = 0.0) -> float:
    """Return the least seconds that an item must take on a worker for all workers to be busy.

    `coordinator` is the time of tasks that the coordinator runs for it.
    """
    low, high = 0.0, workers * (coordinator + cost.item + cost.batch + cost.scheduler)
    for _ in range(50):
        middle = (low + high) / 2
        idle = workers * slowest(ItemLoad(coordinator + cost.item, middle), cost, workers, limits) > middle
        low, high = (middle, high) if idle else (low, middle)
    return high


PartKind = Literal["source", "operation", "task", "fold", "moving"]


@record(eq=True)
class CoordinatorPart:
    """The seconds that the coordinator spent on one kind of work; of a task, `name` is its name."""

    kind: PartKind
    name: str
    seconds: float


@record(eq=True)
class StreamStats:
    """Measurements of a stream: it ran for `seconds`, its `items` went in `batches`, `nbytes` in all.

    The coordinator was at work for `busy` seconds (None: unknown, as there were no workers), `parts` of them for tasks
    of the user; all workers together for `work` seconds.
    """

    seconds: float
    workers: int
    items: int
    batches: int
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
        """The share of their time in which workers were idle."""
        available = self.workers * self.seconds
        return max(0.0, 1.0 - self.work / available) if available else 0.0

    @property
    def largest(self) -> CoordinatorPart:
        """The part on which the coordinator spent most time; "moving" is all that is not a task of the user's."""
        rest = (self.busy or 0.0) - sum(part.seconds for part in self.parts)
        return max(*self.parts, CoordinatorPart("moving", "", max(0.0, rest)), key=lambda part: part.seconds)


def fitted(stats: StreamStats, usual: EngineCost) -> tuple[ItemLoad, EngineCost]:
    """Return the load of an item as measured, and the cost of the engine on the machine where it was measured.

    Time that tasks did not take is divided between items and batches in the proportion of the `usual` cost.
    """
    items = max(1, stats.items)
    tasks = sum(part.seconds for part in stats.parts)
    expected = items * usual.item + stats.batches * usual.batch
    factor = 1.0 if stats.busy is None or not expected else max(0.0, stats.busy - tasks) / expected
    load = ItemLoad(tasks / items + factor * usual.item, stats.work / items, stats.nbytes / items)
    return load, replace(usual, item=factor * usual.item, batch=factor * usual.batch)


def is_bottleneck(stats: StreamStats) -> bool:
    """Return whether the workers of a stream waited for its coordinator."""
    return stats.workers > 0 and stats.seconds >= _SHORTEST and stats.share >= _BUSY and stats.idle >= _IDLE


def advice(kind: PartKind) -> str:
    """Return how to relieve a coordinator that is busy with this kind of work."""
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
