"""latency: one item each 50 ms. How long from the yield until the fold sees what became of it?"""

from __future__ import annotations

import statistics
import time
from collections.abc import Iterator

from benchmarks.doing import measured
from benchmarks.shape import Entry, Facts, Job, Workload, daglites

__all__ = ["WORKLOADS"]

PAUSE = 0.05
# Source and fold are in the coordinator, whoever does the job.
yielded: dict[int, float] = {}
took: list[float] = []


def now_and_then(n: int) -> Iterator[int]:
    """A number, after a pause."""
    for number in range(n):
        time.sleep(PAUSE)
        yielded[number] = time.perf_counter()
        yield number


def same(x: int) -> int:
    """x."""
    return x


def seen(total: int, item: int) -> int:
    """A sum; here the item arrives."""
    took.append(time.perf_counter() - yielded[item])
    return total + item


def latency_job(n: int, facts: Facts) -> Job:
    """So many items; forgets what the warm-up saw."""
    took.clear()
    return Job(
        source=now_and_then,
        arguments={"n": n},
        steps=(same,),
        together=same,
        fold=seen,
        initial=0,
        wanted=n * (n - 1) // 2,
        ends=n,
    )


LATENCY = Workload(
    name="latency",
    what="one item each 50 ms, two processes; from the yield to the fold, median",
    unit="ms",
    better="less",
    items=12,
    quick=0.5,
    entries=(
        Entry("fork + pipes, own feeder", "by_hand", "fed", "limit"),
        *daglites("inline", "threads"),
        Entry("imap", "by_pool"),
        Entry("imap, chunk 256", "by_pool", chunk=256),
        Entry("executor", "by_executor", "processes"),
        Entry("joblib", "by_joblib"),
        Entry("mpire", "by_mpire"),
        Entry("streamable", "by_streamable", "processes"),
    ),
    measure=measured(
        latency_job,
        lambda done: 1e3 * statistics.median(took),
        extras=lambda done: {"max ms": 1e3 * max(took)},
        warm=2,
    ),
    beside=("fork + pipes, own feeder",),
)

WORKLOADS = (LATENCY,)
