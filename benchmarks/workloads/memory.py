"""memory: what the coordinator grows by for each item of 1 KB more, and how far a source runs ahead of its fold."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator

import daglite
from benchmarks.clocks import cost_of, memory, reset_peak
from benchmarks.contestants import by_daglite
from benchmarks.doing import Done, adapter, checked, measured
from benchmarks.shape import Entry, Facts, Job, Sample, Workload, daglites
from benchmarks.workloads.trivial import add

__all__ = ["WORKLOADS", "printed_window"]

FEW = 10_000


def texts(n: int) -> Iterator[bytes]:
    """Items of 1 KB, no two alike."""
    for number in range(n):
        yield number.to_bytes(8, "big") * 128


def mirror(text: bytes) -> bytes:
    """The bytes from behind."""
    return text[::-1]


def add_length(total: int, item: bytes) -> int:
    """A sum of lengths."""
    return total + len(item)


def texts_job(n: int, facts: Facts) -> Job:
    """1 KB there and 1 KB back."""
    return Job(
        source=texts,
        arguments={"n": n},
        steps=(mirror,),
        together=mirror,
        fold=add_length,
        initial=0,
        wanted=1024 * n,
        ends=n,
    )


def measure_growth(entry: Entry, items: int, facts: Facts) -> Sample:
    """A few items, then many, in one process: the second peak above the first, for each item more."""
    do, few = adapter(entry), min(FEW, items // 2)
    checked(entry, texts_job(16, facts), do)
    # Memory that was given back stays with the process: both peaks are taken from where it stood at first.
    reset_peak()
    base = memory("VmRSS")
    checked(entry, texts_job(few, facts), do)
    first = memory("VmHWM") - base
    _, cost = cost_of(lambda: checked(entry, texts_job(items, facts), do))
    peak = memory("VmHWM") - base
    figure = 1e6 * max(0.0, peak - first) / (items - few)
    return Sample(figure, cost.seconds, cost.processor, peak, {"peak of few, MB": first})


class Lead:
    """How far the source is ahead of the fold: both are in the coordinator, whoever does the job."""

    def __init__(self) -> None:
        self.pulled = self.folded = self.most = 0

    def begin(self) -> None:
        """Count anew; the object stays, because functions hold it."""
        self.pulled = self.folded = self.most = 0

    def pull(self) -> None:
        """One more item leaves the source."""
        self.pulled += 1
        self.most = max(self.most, self.pulled - self.folded)


lead = Lead()


def pulled(n: int) -> Iterator[int]:
    """0, 1, 2, ... as counted items."""
    for number in range(n):
        lead.pull()
        yield number


def same(x: int) -> int:
    """x."""
    return x


def add_slowly(total: int, item: int) -> int:
    """A sum that is slower than the source."""
    time.sleep(0.0001)
    lead.folded += 1
    return add(total, item)


def ahead_job(n: int, facts: Facts) -> Job:
    """So many items; the count begins anew."""
    lead.begin()
    return Job(
        source=pulled,
        arguments={"n": n},
        steps=(same,),
        together=same,
        fold=add_slowly,
        initial=0,
        wanted=n * (n - 1) // 2,
        ends=n,
    )


def printed_window(entry: Entry) -> int:
    """The window that daglite's plan prints, in items."""
    job = ahead_job(1, Facts(1))
    text = daglite.compile(by_daglite.pipeline(job), max_in_flight=entry.window).explain()
    found = re.search(r"in flight <= (\d+) items?( per worker)?", text)
    assert found is not None, text
    return int(found[1]) * (entry.workers if found[2] else 1)


def measure_lead(entry: Entry, items: int, facts: Facts) -> Sample:
    """The usual measure; for daglite what the plan prints stands beside it."""
    printed = {"printed": float(printed_window(entry))} if entry.kind == "daglite" else {}
    sample = LEAD(entry, items, facts)
    return Sample(sample.figure, sample.seconds, sample.processor, sample.peak, printed)


def _most(done: Done) -> float:
    return lead.most


LEAD = measured(ahead_job, _most, warm=2)


def peers(streamable: float, imap: float, executor: float, mpire: float) -> tuple[Entry, ...]:
    """The peers, and which share of the items each is patient enough for."""
    return (
        Entry("streamable", "by_streamable", "processes", share=streamable),
        Entry("imap", "by_pool", share=imap),
        Entry("executor", "by_executor", "processes", share=executor),
        Entry("joblib", "by_joblib"),
        Entry("mpire", "by_mpire", share=mpire),
    )


MEMORY = Workload(
    name="memory",
    what="items of 1 KB there and back, two processes; growth of the coordinator for each item above 10,000",
    unit="bytes",
    better="less",
    items=60_000,
    quick=0.4,
    floor=50,
    entries=(
        *daglites("inline", "threads", share=3),
        *peers(0.2, 0.34, 0.25, 0.34),
    ),
    measure=measure_growth,
)

AHEAD = Workload(
    name="ahead",
    what="how many items the source is ahead of a fold of about 0.15 ms an item, at most",
    unit="items",
    better="less",
    items=2_500,
    quick=0.5,
    entries=(
        *daglites("threads"),
        Entry("daglite, window 8", "by_daglite", "processes", "daglite", window=8, share=0.34),
        Entry("daglite, window 1", "by_daglite", "processes", "daglite", window=1, share=0.25),
        *peers(0.4, 1, 1, 1),
    ),
    measure=measure_lead,
)

WORKLOADS = (
    MEMORY,
    AHEAD,
)
