"""Each operation on doubled numbers with daglite, as a user writes it."""

from __future__ import annotations

from collections.abc import Callable
from typing import cast

# The first run would load it while the clock runs.
import daglite.runtime.scheduler.execution
from benchmarks.contestants.operations_by_hand import SIZE, even, few, greater, nothing, sixth, small, total, twice
from benchmarks.shape import Entry, Job
from benchmarks.workloads.trivial import double, numbers
from daglite import Future, MapTaskFuture, from_iterable, task
from daglite.options import RuntimeName

__all__ = ["OPERATIONS", "map_fold"]

Doubled = MapTaskFuture[int]

twofold = task(double)
source = task(numbers)

# What each gives for the doubled numbers, of which there are n.
OPERATIONS: dict[str, Callable[[Doubled, int], Future[object]]] = {
    "filter": lambda items, n: items.filter(task(even)),
    "flat_map": lambda items, n: items.flat_map(task(twice)),
    "batch": lambda items, n: items.batch(SIZE).then(task(total)),
    "unbatch": lambda items, n: items.batch(SIZE).skip(0).unbatch(),
    "take": lambda items, n: items.take(n // 2),
    "take_while": lambda items, n: items.take_while(task(small), limit=n),
    "skip": lambda items, n: items.skip(n // 2),
    "enumerate": lambda items, n: items.enumerate(),
    "zip": lambda items, n: items.zip(source.iter(n=n).then(twofold)),
    "scan": lambda items, n: items.scan(task(greater), initial=0),
    "group_by": lambda items, n: items.group_by(task(sixth)),
    "window": lambda items, n: items.window(2),
    "distinct": lambda items, n: items.distinct(task(few)),
    "sum": lambda items, n: items.sum(),
    "count": lambda items, n: items.count(),
    "min": lambda items, n: items.min(key=few),
    "max": lambda items, n: items.max(key=few),
    "for_each": lambda items, n: items.for_each(task(nothing)),
    "from_iterable": lambda items, n: from_iterable(range(n)).then(twofold),
    "iter_partitions": lambda items, n: source.iter_partitions([{"n": n // 2}, {"n": n - n // 2}]).then(twofold),
}


def map_fold(job: Job, entry: Entry, /) -> object:
    """The ways are runtimes by name."""
    n = cast("int", job.arguments["n"])
    pipeline = OPERATIONS[str(job.arguments["operation"])](source.iter(n=n).then(twofold), n)
    return daglite.compile(pipeline).run(runtime=cast("RuntimeName", entry.way), workers=entry.workers)
