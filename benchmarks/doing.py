"""How a job is measured, in the process that this is for: loaded, warmed up, run once, its result checked."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from typing import NamedTuple, cast

from benchmarks.clocks import Cost, cost_of
from benchmarks.shape import Absent, Entry, Facts, Job, MapFold, Measure, Sample

__all__ = ["Done", "PEERS", "adapter", "checked", "measured"]

PEERS = {"joblib", "mpire", "numpy", "streamable"}


class Done(NamedTuple):
    """A finished run, as the figure of a workload is made of it."""

    cost: Cost
    items: int
    facts: Facts


def adapter(entry: Entry) -> MapFold:
    """The function that does jobs for the entry; raises `Absent` when the library is not installed."""
    try:
        module = importlib.import_module(f"benchmarks.contestants.{entry.adapter}")
    except ModuleNotFoundError as error:
        if error.name not in PEERS:
            raise
        raise Absent("not installed") from error
    return cast("MapFold", module.map_fold)


def checked(entry: Entry, job: Job, do: MapFold) -> None:
    """Do the job; a contestant that gives another result than the others must not be in a table."""
    answer = do(job, entry)
    if answer != job.wanted:
        raise ValueError(f"{entry.name} gives {answer!r:.80}; right is {job.wanted!r:.80}")


def measured(
    job: Callable[[int, Facts], Job],
    figure: Callable[[Done], float],
    *,
    extras: Callable[[Done], dict[str, float]] = lambda _: {},
    warm: int = 16,
) -> Measure:
    """The usual measure: `warm` items first, so that modules are loaded and executors that stay are there."""

    def measure(entry: Entry, items: int, facts: Facts) -> Sample:
        do = adapter(entry)
        checked(entry, job(warm, facts), do)
        task = job(items, facts)
        _, cost = cost_of(lambda: checked(entry, task, do))
        done = Done(cost, items, facts)
        return Sample(figure(done), *cost, extras(done))

    return measure
