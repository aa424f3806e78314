"""batches: generator -> lists of 100 -> their sum -> sum. What an operation before the workers costs."""

from __future__ import annotations

from benchmarks.doing import measured
from benchmarks.shape import Entry, Facts, Job, Workload, daglites
from benchmarks.workloads.trivial import add, merge, numbers, rate

__all__ = ["WORKLOADS", "batches_job"]

SIZE = 100


def total(values: list[int]) -> int:
    """The sum of a list."""
    return sum(values)


def batches_job(n: int, facts: Facts) -> Job:
    """The sum of the first n numbers, by way of lists."""
    return Job(
        source=numbers,
        arguments={"n": n},
        steps=(total,),
        together=total,
        fold=add,
        initial=0,
        wanted=n * (n - 1) // 2,
        ends=-(-n // SIZE),
        merge=merge,
        batch=SIZE,
    )


WORKLOADS = (
    Workload(
        name="batches",
        what="generator -> lists of 100 -> their sum -> sum, two processes",
        unit="items/s",
        better="more",
        items=1_000_000,
        entries=(
            Entry("loop", "by_hand", "loop", "limit"),
            *daglites("threads"),
            Entry("imap, chunk 16", "by_pool", chunk=16),
            Entry("streamable, one process", "by_streamable", "inline"),
        ),
        measure=measured(batches_job, rate),
        beside=("loop",),
    ),
)
