"""trivial: generator -> double -> add_ten -> sum. The work is nothing, so this is what the machinery costs."""

from __future__ import annotations

from collections.abc import Iterator

from benchmarks.doing import Done, measured
from benchmarks.shape import Entry, Facts, Job, Workload, daglites

__all__ = ["WORKLOADS", "add", "add_ten", "merge", "numbers", "rate", "trivial_job"]


def numbers(n: int) -> Iterator[int]:
    """0, 1, 2, ..."""
    yield from range(n)


def double(x: int) -> int:
    """2x."""
    return x * 2


def add_ten(x: int) -> int:
    """x + 10."""
    return x + 10


def both(x: int) -> int:
    """The two as one function."""
    return add_ten(double(x))


def add(total: int, item: int) -> int:
    """A sum."""
    return total + item


def merge(one: int, other: int) -> int:
    """A sum of sums."""
    return one + other


def trivial_job(n: int, facts: Facts) -> Job:
    """The sum of 2x + 10 over the first n numbers."""
    return Job(
        source=numbers,
        arguments={"n": n},
        steps=(double, add_ten),
        together=both,
        fold=add,
        initial=0,
        wanted=n * (n - 1) + 10 * n,
        ends=n,
        merge=merge,
    )


def rate(done: Done) -> float:
    """Items in a second."""
    return done.items / done.cost.seconds


INLINE = Workload(
    name="inline",
    what="generator -> double -> add_ten -> sum, in one process",
    unit="items/s",
    better="more",
    items=1_000_000,
    entries=(
        Entry("loop", "by_hand", "loop", "limit"),
        Entry("daglite inline", "by_daglite", "inline", "daglite"),
        Entry("daglite auto", "by_daglite", "auto", "daglite"),
        Entry("streamable, one map", "by_streamable", "inline"),
        Entry("streamable, two maps", "by_streamable", "chained"),
        Entry("joblib, sequential", "by_joblib", "sequential", share=0.3),
    ),
    measure=measured(trivial_job, rate),
    beside=("loop",),
)

TRIVIAL = Workload(
    name="trivial",
    what="generator -> double -> add_ten -> sum, two processes",
    unit="items/s",
    better="more",
    items=200_000,
    entries=(
        Entry("fork + pipes, batch 1024", "by_hand", "pipes", "limit", chunk=1024),
        Entry("loop", "by_hand", "loop", "limit"),
        *daglites("inline", "threads"),
        Entry("daglite, combine", "by_daglite", "combine", "daglite"),
        Entry("imap, chunk 256", "by_pool", chunk=256),
        Entry("imap, chunk 1024", "by_pool", chunk=1024),
        Entry("imap", "by_pool", share=0.15),
        Entry("executor, chunk 256", "by_executor", "processes", chunk=256),
        Entry("executor", "by_executor", "processes", share=0.05),
        Entry("joblib", "by_joblib", share=0.1),
        Entry("mpire", "by_mpire", share=0.1),
        Entry("mpire, told the length", "by_mpire", "told the length"),
        Entry("streamable", "by_streamable", "processes", share=0.02),
    ),
    measure=measured(trivial_job, rate),
    beside=("fork + pipes, batch 1024", "imap, chunk 256"),
)

WORKLOADS = (
    INLINE,
    TRIVIAL,
)
