"""growth: what more nodes, more items and more workers cost. daglite alone: the lines are to be level."""

from __future__ import annotations

from functools import partial

import daglite
from benchmarks.clocks import cost_of
from benchmarks.doing import Done, measured
from benchmarks.shape import Entry, Facts, Sample, Workload
from benchmarks.workloads.busy import busy_job
from benchmarks.workloads.trivial import add_ten, rate, trivial_job
from daglite import task

__all__ = ["WORKLOADS"]

COUNTS = (1, 2, 4, 8)


def measure_nodes(entry: Entry, items: int, facts: Facts) -> Sample:
    """Compile a chain of so many steps; building it beforehand is told beside it."""
    step = task(add_ten)
    daglite.compile(step.map(x=[1]).then(step))

    def build() -> daglite.MapTaskFuture[int]:
        chain = step.map(x=[1])
        for _ in range(items - 2):
            chain = chain.then(step)
        return chain

    chain, building = cost_of(build)
    plan, cost = cost_of(lambda: daglite.compile(chain))
    if (answer := plan.run(runtime="inline")) != [1 + 10 * (items - 1)]:
        raise ValueError(f"a chain of {items} nodes gives {answer}")
    return Sample(1e6 * cost.seconds / items, *cost, {"build us a node": 1e6 * building.seconds / items})


def microseconds(done: Done) -> float:
    """What one item takes."""
    return 1e6 * done.cost.seconds / done.items


def by_workers(name: str) -> tuple[Entry, ...]:
    """One entry for each number of workers."""
    return tuple(
        Entry(f"{count} worker{'s' * (count > 1)}", "by_daglite", name, "daglite", workers=count) for count in COUNTS
    )


NODES = Workload(
    name="nodes",
    what="compile chains of 1,000 and 10,000 nodes; for each node",
    unit="us",
    better="less",
    items=10_000,
    quick=1,
    entries=(
        Entry("1,000 nodes", "", kind="daglite", share=0.1),
        Entry("10,000 nodes", "", kind="daglite"),
    ),
    measure=measure_nodes,
    beside=("1,000 nodes",),
)

LENGTH = Workload(
    name="length",
    what="trivial items, two processes; for each item, the start of the workers included",
    unit="us",
    better="less",
    items=200_000,
    entries=(
        Entry("few items", "by_daglite", "processes", "daglite", share=0.1),
        Entry("some items", "by_daglite", "processes", "daglite"),
        Entry("many items", "by_daglite", "processes", "daglite", share=5),
    ),
    measure=measured(trivial_job, microseconds),
    beside=("some items",),
)

WORKERS = Workload(
    name="workers",
    what="trivial items on more and more workers; many, so that starting these is a small part",
    unit="items/s",
    better="more",
    items=1_000_000,
    quick=0.1,
    entries=by_workers("processes"),
    measure=measured(trivial_job, rate),
    beside=("2 workers",),
)

BUSY_WORKERS = Workload(
    name="workers_one_ms",
    what="about 1 ms of processor time an item, on more and more workers; half a second's work for two",
    unit="items/s",
    better="more",
    items=1000,
    quick=0.1,
    entries=by_workers("processes"),
    measure=measured(partial(busy_job, 1), rate, warm=4),
    beside=("2 workers",),
)

WORKLOADS = (
    NODES,
    LENGTH,
    WORKERS,
    BUSY_WORKERS,
)
