"""daglite with its defaults: the number of workers is given, as to all others, and nothing is tuned."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import cast, get_args

import daglite
import daglite.runtime.engines.threads.pool

# The first run would load them while the clock runs; those of the others are loaded with their modules, before it does.
# The workload `start` counts all of it, for everybody.
import daglite.runtime.scheduler.execution
from benchmarks.shape import Absent, Entry, Job
from daglite import Future, task
from daglite.futures import Items
from daglite.options import RuntimeName

__all__ = ["map_fold", "pipeline"]


def map_fold(job: Job, entry: Entry, /) -> object:
    """Ways: a runtime by its name, `combine` (processes, with a fold on the workers), `places` (the first step on 32
    threads, the second on processes) or `last step` (that one alone).
    """
    if entry.way in ("places", "last step"):
        return daglite.compile(in_places(job, entry)).run(workers=entry.workers)
    combine = entry.way == "combine"
    name = "processes" if combine else entry.way or "processes"
    if name not in get_args(RuntimeName):
        raise Absent(f"not there: runtime={name!r}")
    plan = daglite.compile(pipeline(job, combine=combine), max_in_flight=entry.window)
    return plan.run(runtime=cast("RuntimeName", name), workers=entry.workers)  # the name was looked up above


def in_places(job: Job, entry: Entry) -> Future[object]:
    """The two steps of a job, each where it belongs; or only the second."""
    first, last = map(task, job.steps)
    items: Items[object] = task(job.source).iter(**job.arguments)
    if entry.way == "places":
        items = items.then(first.with_options(on="threads", workers=32))
    return items.then(last.with_options(on="processes")).reduce(task(job.fold), initial=job.initial)


def pipeline(job: Job, *, combine: bool = False) -> Future[object]:
    """The job as a user writes it: a generator, a task for each step, a fold."""
    items: Items[object] = task(job.source).iter(**job.arguments)
    if job.batch is not None:
        items = cast("Items[object]", items.batch(job.batch))
    for step in job.steps:
        items = items.then(task(step))
    if not combine:
        return items.reduce(task(job.fold), initial=job.initial)
    if "combine" not in inspect.signature(Items.reduce).parameters:
        raise Absent("not there: reduce(combine=...)")
    # Untyped, because the option may be missing in the version that is measured.
    reduce = cast("Callable[..., Future[object]]", items.reduce)
    return reduce(task(job.fold), initial=job.initial, combine=job.merge)
