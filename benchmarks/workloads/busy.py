"""busy: one and twenty milliseconds of processor time for each item. What the workers bring, and what they cost."""

from __future__ import annotations

import timeit
from collections.abc import Iterator
from functools import partial

from benchmarks.doing import Done, measured
from benchmarks.shape import Entry, Facts, Job, Workload, daglites
from benchmarks.workloads.trivial import add, merge

__all__ = ["WORKLOADS", "busy_job", "calibrated", "speed_up"]


def spin(rounds: int) -> int:
    """Some processor time: a fixed amount of work, so that waiting for a processor counts."""
    total = 0
    for number in range(rounds):
        total += number * number % 7
    return total % 10


def same(n: int, rounds: int) -> Iterator[int]:
    """The same amount of work again and again."""
    for _ in range(n):
        yield rounds


def calibrated() -> int:
    """How many rounds take a millisecond: the best of many short tries, so that neighbours do not count."""
    return max(1, int(20_000 * 0.001 / min(timeit.repeat(partial(spin, 20_000), number=1, repeat=40))))


def busy_job(milliseconds: int, n: int, facts: Facts) -> Job:
    """So many items of so much work."""
    rounds = milliseconds * facts.spins
    return Job(
        source=same,
        arguments={"n": n, "rounds": rounds},
        steps=(spin,),
        together=spin,
        fold=add,
        initial=0,
        wanted=n * spin(rounds),
        ends=n,
        merge=merge,
    )


def speed_up(milliseconds: int, done: Done) -> float:
    """Work in calibrated seconds, by seconds on the wall."""
    return milliseconds / 1000 * done.items / done.cost.seconds


def busy(name: str, milliseconds: int, items: int, *more: Entry) -> Workload:
    """A workload of this kind."""
    return Workload(
        name=name,
        what=f"about {milliseconds} ms of processor time an item, two processes; speed-up",
        unit="speed-up",
        better="more",
        items=items,
        entries=(
            Entry("loop", "by_hand", "loop", "limit"),
            Entry("shares by hand", "by_hand", "shares", "limit"),
            *daglites("inline", "threads"),
            Entry("imap", "by_pool"),
            *more,
            Entry("executor", "by_executor", "processes"),
            Entry("joblib", "by_joblib"),
            Entry("mpire, told the length", "by_mpire", "told the length"),
            Entry("streamable", "by_streamable", "processes"),
        ),
        measure=measured(partial(busy_job, milliseconds), partial(speed_up, milliseconds), warm=4),
        beside=("loop", "shares by hand"),
    )


ONE_MS = busy("one_ms", 1, 1200, Entry("imap, chunk 16", "by_pool", chunk=16))
TWENTY_MS = busy("twenty_ms", 20, 20)

WORKLOADS = (
    ONE_MS,
    TWENTY_MS,
)
