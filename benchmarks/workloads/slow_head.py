"""slow_head: results of 2 MB after a first one that takes long. How many of them pile up in the coordinator?"""

from __future__ import annotations

import time

from benchmarks.doing import Done, measured
from benchmarks.shape import Entry, Facts, Job, Workload, daglites
from benchmarks.workloads.trivial import numbers

__all__ = ["WORKLOADS"]

SIZE = 2_000_000
HEAD = 0.5


def large(number: int) -> bytes:
    """A result of 2 MB; the first one comes late, and all others, done before it, must wait for their turn."""
    if number == 0:
        time.sleep(HEAD)
    return bytes(SIZE)


def add_length(total: int, item: bytes) -> int:
    """A sum of lengths."""
    return total + len(item)


def slow_head_job(n: int, facts: Facts) -> Job:
    """So many results."""
    return Job(
        source=numbers,
        arguments={"n": n},
        steps=(large,),
        together=large,
        fold=add_length,
        initial=0,
        wanted=n * SIZE,
        ends=n,
    )


def megabytes(done: Done) -> float:
    """What the coordinator grew by."""
    return done.cost.peak


SLOW_HEAD = Workload(
    name="slow_head",
    what="results of 2 MB, in order, after a first one that takes 0.5 s; growth of the coordinator",
    unit="MB",
    better="less",
    items=60,
    entries=(
        *daglites(),
        Entry("imap", "by_pool"),
        Entry("executor", "by_executor", "processes"),
        Entry("joblib", "by_joblib"),
        Entry("mpire", "by_mpire"),
        Entry("streamable", "by_streamable", "processes"),
    ),
    measure=measured(slow_head_job, megabytes, warm=1),
    quick=0.4,
    floor=10,
)

WORKLOADS = (SLOW_HEAD,)
