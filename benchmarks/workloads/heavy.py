"""heavy: a fixed argument, and a closure, of 10 MB. How often does it travel?"""

from __future__ import annotations

import os
from collections.abc import Callable
from functools import partial

from benchmarks.doing import Done, measured
from benchmarks.shape import WORKERS, Entry, Facts, Job, Workload, daglites
from benchmarks.workloads.trivial import numbers

__all__ = ["WORKLOADS"]

SIZE = 10_000_000
# How often a process has unpickled a heavy value (a forked one brings along the count of its parent, under another
# key), and in the coordinator what the fold has heard from whom.
arrived: dict[int, int] = {}
heard: dict[int, int] = {}


class Heavy:
    """Ten million bytes that count their arrivals."""

    def __init__(self, data: bytes) -> None:
        self.data = data

    def __reduce__(self) -> tuple[Callable[[bytes], Heavy], tuple[bytes]]:
        return unpacked, (self.data,)


def unpacked(data: bytes) -> Heavy:
    """It has arrived, here."""
    arrived[os.getpid()] = arrived.get(os.getpid(), 0) + 1
    return Heavy(data)


Told = tuple[int, int]


def weigh(x: int, heavy: Heavy) -> Told:
    """Tells how often the heavy value has come to this process so far."""
    assert len(heavy.data) == SIZE
    return os.getpid(), arrived.get(os.getpid(), 0)


def hear(count: int, told: Told) -> int:
    """Counts items, and keeps the highest count of each process."""
    pid, times = told
    heard[pid] = max(times, heard.get(pid, 0))
    return count + 1


def heavy_job(closure: bool, n: int, facts: Facts) -> Job:
    """The value as a fixed argument or in a closure; it is not the one of the warm-up."""
    heavy = Heavy(os.urandom(8) * (SIZE // 8))
    arrived.clear()
    heard.clear()

    def enclosing(x: int) -> Told:
        return weigh(x, heavy)

    step: Callable[[int], Told] = enclosing if closure else partial(weigh, heavy=heavy)
    return Job(
        source=numbers,
        arguments={"n": n},
        steps=(step,),
        together=step,
        fold=hear,
        initial=0,
        wanted=n,
        ends=n,
    )


def transfers(done: Done) -> float:
    """Arrivals in all processes; 0 when workers were forked with the value in them."""
    return sum(heard.values())


def heavy(name: str, what: str, closure: bool) -> Workload:
    """A workload of this kind."""
    return Workload(
        name=name,
        what=f"10 MB {what}, 200 items, two processes; times that it is transferred",
        unit="times",
        better="less",
        items=200,
        floor=WORKERS,
        entries=(
            Entry("loop", "by_hand", "loop", "limit"),
            *daglites(),
            Entry("imap", "by_pool", share=0.1),
            Entry("executor", "by_executor", "processes", share=0.1),
            Entry("joblib", "by_joblib", share=0.1),
            Entry("mpire", "by_mpire"),
            Entry("streamable", "by_streamable", "processes", share=0.1),
        ),
        measure=measured(
            partial(heavy_job, closure),
            transfers,
            extras=lambda done: {"ms an item": 1e3 * done.cost.seconds / done.items},
            warm=2,
        ),
    )


ARGUMENT = heavy("argument", "as a fixed argument", closure=False)
CLOSURE = heavy("closure", "in a closure", closure=True)

WORKLOADS = (
    ARGUMENT,
    CLOSURE,
)
