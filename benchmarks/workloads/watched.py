"""watched: the cost of observers of a run of items of one millisecond, compared with a run without observers."""

from __future__ import annotations

import statistics
import tempfile
import time
from pathlib import Path

import daglite
from benchmarks.clocks import cost_of, processor
from benchmarks.contestants.by_daglite import pipeline
from benchmarks.shape import WORKERS, Entry, Facts, Sample, Workload
from benchmarks.workloads.busy import busy_job
from daglite.observe import Logging, ProgressReporter, Report
from daglite.run_options import RunOptions

__all__ = ["WORKLOADS", "in_pairs"]

# A pair is two runs, one after the other: what else the machine does meets both, more or less.
PAIRS = 9


def options(way: str, folder: Path) -> RunOptions:
    """The options that watch a run in this way; made anew for each, as observers belong to one."""
    match way:
        case "trace":
            return {"trace": folder / "run.json"}
        case "report":
            return {"observers": [Report()]}
        case "progress":
            return {"observers": [ProgressReporter(lambda progress: None)]}
        case "log":
            return {"observers": [Logging()]}
        case _:
            return {}


def in_pairs(entry: Entry, items: int, facts: Facts) -> Sample:
    """Pairs of runs, each pair in the other order than the one before; the figure is the median of their ratios.

    Of processor time, all processes together: neighbours hardly change it, and where workers leave no processor free
    it is what is seen on the wall.
    """
    job = busy_job(1, items, facts)
    plan = daglite.compile(pipeline(job))

    def cost(way: str, folder: Path) -> tuple[float, float]:
        watching: RunOptions = {"workers": WORKERS, "progress": False, **options(way, folder)}
        used, began = processor(), time.perf_counter()
        answer = plan.run(**watching)
        took = time.perf_counter() - began
        if answer != job.wanted:
            raise ValueError(f"{entry.name} gives {answer!r:.80}; right is {job.wanted!r:.80}")
        return processor() - used, took

    def all_pairs(folder: Path) -> list[tuple[float, float]]:
        ratios = []
        for number in range(PAIRS):
            order = (entry.way, "") if number % 2 else ("", entry.way)
            found = {way: cost(way, folder) for way in order} if entry.way else {"": cost("", folder)}
            watched, alone = found[entry.way], found[""] if entry.way else cost("", folder)
            ratios.append((watched[0] / alone[0], watched[1] / alone[1]))
        return ratios

    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for way in ("", entry.way):
            cost(way, folder)
        ratios, whole = cost_of(lambda: all_pairs(folder))
        processors, walls = ([pair[each] for pair in ratios] for each in (0, 1))
        return Sample(statistics.median(processors), *whole, {"on the wall": statistics.median(walls)})


WATCHED = Workload(
    name="trace",
    what="about 1 ms of processor time an item, two processes, observed; relative to a run without observers",
    unit="times the CPU",
    better="less",
    items=300,
    # The first has no observer on both sides: it shows how much of a figure is chance.
    entries=(
        Entry("daglite, no observer", "by_daglite", "", "daglite"),
        *(Entry(f"daglite, {way}", "by_daglite", way, "daglite") for way in ("trace", "report", "progress", "log")),
    ),
    measure=in_pairs,
)

WORKLOADS = (WATCHED,)
