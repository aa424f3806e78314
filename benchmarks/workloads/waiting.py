"""waiting: tasks that sleep, so that no processor is short: 32 threads, and a few slow items among many fast ones."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from functools import partial

from benchmarks.doing import Done, measured
from benchmarks.shape import WORKERS, Entry, Facts, Job, Workload, daglites
from benchmarks.workloads.trivial import add, merge

__all__ = ["WORKLOADS"]

MANY = 32
NAP = 0.005
SHORT, LONG, EVERY = 0.001, 0.1, 40


def naps(n: int) -> Iterator[float]:
    """The same sleep for each."""
    for _ in range(n):
        yield NAP


def skewed(n: int) -> Iterator[float]:
    """One in forty takes a hundred times as long; not the first, so that a wrong guess is not corrected at once."""
    for number in range(n):
        yield LONG if number % EVERY == EVERY // 2 else SHORT


def sleep(seconds: float) -> int:
    """Counts as one."""
    time.sleep(seconds)
    return 1


def counted(source: Callable[[int], Iterator[float]], n: int, facts: Facts) -> Job:
    """So many sleeps, counted."""
    return Job(
        source=source,
        arguments={"n": n},
        steps=(sleep,),
        together=sleep,
        fold=add,
        initial=0,
        wanted=n,
        ends=n,
        merge=merge,
    )


def naps_efficiency(done: Done) -> float:
    """The least time by the time taken."""
    return done.items * NAP / MANY / done.cost.seconds


def skew_efficiency(done: Done) -> float:
    """The least time for two workers by the time taken."""
    return sum(skewed(done.items)) / WORKERS / done.cost.seconds


THREADS = Workload(
    name="threads",
    what="5 ms of sleep an item, 32 threads; ideal time by time",
    unit="efficiency",
    better="more",
    items=2_400,
    entries=(
        Entry("shares by hand", "by_hand", "thread shares", "limit", workers=MANY),
        Entry("daglite threads", "by_daglite", "threads", "daglite", workers=MANY),
        Entry("daglite auto", "by_daglite", "auto", "daglite", workers=MANY),
        Entry("executor", "by_executor", "threads", workers=MANY),
        Entry("streamable", "by_streamable", "threads", workers=MANY),
        Entry("joblib", "by_joblib", "threading", workers=MANY),
    ),
    measure=measured(partial(counted, naps), naps_efficiency, warm=MANY),
    beside=("shares by hand",),
)

SKEW = Workload(
    name="skew",
    what="1 item in 40 takes 100 ms, the others 1 ms, two processes, in order; ideal time by time",
    unit="efficiency",
    better="more",
    items=400,
    quick=0.4,
    entries=(
        Entry("fork + pipes, batch 1", "by_hand", "pipes", "limit", chunk=1),
        *daglites("inline", "threads"),
        Entry("executor", "by_executor", "processes"),
        Entry("imap", "by_pool"),
        Entry("imap, chunk 256", "by_pool", chunk=256),
        Entry("joblib", "by_joblib"),
        Entry("mpire", "by_mpire"),
        Entry("streamable", "by_streamable", "processes"),
    ),
    measure=measured(partial(counted, skewed), skew_efficiency),
    beside=("fork + pipes, batch 1",),
)

WORKLOADS = (
    THREADS,
    SKEW,
)
