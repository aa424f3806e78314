"""arrays: 8 MB arrays to the workers, and 8 MB arrays back from them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from benchmarks.doing import Done, measured
from benchmarks.shape import Entry, Facts, Job, Workload, daglites
from benchmarks.workloads.trivial import numbers

__all__ = ["WORKLOADS"]

LENGTH = 1_000_000
Array: TypeAlias = NDArray[np.float64]


def one_buffer(n: int) -> Iterator[Array]:
    """The same array again and again, as a reader with one buffer has it."""
    array = np.ones(LENGTH)
    for _ in range(n):
        yield array


def ends(array: Array) -> float:
    """Looks at the ends only, so that the transport is what takes time."""
    return float(array[0] + array[-1])


def full(x: int) -> Array:
    """An array of its own."""
    return np.full(LENGTH, float(x))


def add(total: float, item: float) -> float:
    """A sum."""
    return total + item


def add_ends(total: float, item: Array) -> float:
    """A sum of the ends."""
    return total + float(item[0] + item[-1])


def there(n: int, facts: Facts) -> Job:
    """Arrays to the workers, a number back."""
    return _job(n, one_buffer, ends, add, 2.0 * n)


def back(n: int, facts: Facts) -> Job:
    """Numbers to the workers, an array back."""
    return _job(n, numbers, full, add_ends, float(n * (n - 1)))


def _job(
    n: int,
    source: Callable[..., Iterator[object]],
    step: Callable[..., object],
    fold: Callable[..., object],
    wanted: float,
) -> Job:
    return Job(
        source=source,
        arguments={"n": n},
        steps=(step,),
        together=step,
        fold=fold,
        initial=0.0,
        wanted=wanted,
        ends=n,
    )


def gigabytes(done: Done) -> float:
    """GB in a second, one way."""
    return 8e-9 * LENGTH * done.items / done.cost.seconds


def arrays(name: str, what: str, job: Callable[[int, Facts], Job]) -> Workload:
    """A workload of this kind."""
    return Workload(
        name=name,
        what=what,
        unit="GB/s",
        better="more",
        items=300,
        entries=(
            Entry("shared memory by hand", "by_shared_memory", kind="limit"),
            Entry("fork + pipes, batch 1", "by_hand", "pipes", "limit", chunk=1, share=0.08),
            *daglites("inline", "threads"),
            Entry("imap", "by_pool", share=0.08),
            Entry("executor", "by_executor", "processes", share=0.08),
            Entry("joblib", "by_joblib", share=0.08),
            Entry("mpire", "by_mpire", share=0.08),
            Entry("streamable", "by_streamable", "processes", share=0.08),
        ),
        measure=measured(job, gigabytes, warm=4),
        beside=("shared memory by hand", "fork + pipes, batch 1"),
    )


THERE = arrays("arrays", "8 MB arrays to two processes, a number back", there)
BACK = arrays("arrays_back", "numbers to two processes, 8 MB arrays back", back)

WORKLOADS = (
    THERE,
    BACK,
)
