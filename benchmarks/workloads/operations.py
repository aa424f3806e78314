"""operations: each of them on doubled numbers, beside the same by hand. The results of all must be equal."""

from __future__ import annotations

from dataclasses import replace

from benchmarks.clocks import cost_of
from benchmarks.contestants import operations_by_hand
from benchmarks.doing import adapter
from benchmarks.shape import Absent, Entry, Facts, Job, Sample, Workload
from benchmarks.workloads.trivial import double, numbers

__all__ = ["WORKLOADS", "operation_job"]

BY_HAND = Entry("itertools", "operations_by_hand", "loop", "limit")


def operation_job(n: int, operation: str) -> Job:
    """An operation of this name on so many doubled numbers; what it gives is what it gives by hand."""
    job = Job(
        source=numbers,
        arguments={"n": n, "operation": operation},
        steps=(double,),
        together=double,
        fold=max,
        initial=0,
        wanted=None,
        ends=n,
    )
    return replace(job, wanted=operations_by_hand.map_fold(job, BY_HAND))


def measure(entry: Entry, items: int, facts: Facts) -> Sample:
    """All operations that the contestant has, one after the other; each in microseconds an item."""
    do, extras = adapter(entry), dict[str, float]()
    seconds = processor = peak = 0.0
    for operation in operations_by_hand.OPERATIONS:
        few, job = operation_job(16, operation), operation_job(items, operation)
        try:
            checked(entry, operation, few, do(few, entry))
        except Absent:
            continue
        answer, cost = cost_of(lambda job=job: do(job, entry))  # type: ignore[misc]  # the default has the type of job
        checked(entry, operation, job, answer)
        seconds, processor, peak = seconds + cost.seconds, processor + cost.processor, max(peak, cost.peak)
        extras[f"{operation} us"] = 1e6 * cost.seconds / items
    return Sample(1e6 * seconds / items / len(extras), seconds, processor, peak, extras)


def checked(entry: Entry, operation: str, job: Job, answer: object) -> None:
    """A contestant that gives another result must not be in the table."""
    if answer != job.wanted:
        raise ValueError(f"{operation} of {entry.name} gives {answer!r:.80}; right is {job.wanted!r:.80}")


WORKLOADS = (
    Workload(
        name="operations",
        what="generator -> double -> each operator in turn; for each item, the mean of the available operators",
        unit="us",
        better="less",
        items=20_000,
        entries=(
            BY_HAND,
            Entry("daglite inline", "operations_by_daglite", "inline", "daglite"),
            Entry("daglite", "operations_by_daglite", "processes", "daglite"),
            Entry("streamable", "operations_by_streamable", "inline"),
        ),
        measure=measure,
        beside=("itertools", "streamable"),
    ),
)
