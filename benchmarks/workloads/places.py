"""places: each item is fetched on 32 threads and parsed on two processes. What is lost where two places meet."""

from __future__ import annotations

import time

from benchmarks.doing import Done, measured
from benchmarks.shape import WORKERS, Entry, Facts, Job, Workload
from benchmarks.workloads.busy import busy_job, spin
from benchmarks.workloads.trivial import add

__all__ = ["WORKLOADS"]

NAP = 0.005


def fetch(rounds: int) -> int:
    """Waits as for a network, and brings what there is to do."""
    time.sleep(NAP)
    return rounds


def both(rounds: int) -> int:
    """The two, one after the other."""
    return spin(fetch(rounds))


def fetched_and_parsed(n: int, facts: Facts) -> Job:
    """So many items of 5 ms of sleep and a millisecond of work."""
    parsed = busy_job(1, n, facts)
    return Job(
        source=parsed.source,
        arguments=parsed.arguments,
        steps=(fetch, spin),
        together=both,
        fold=add,
        initial=0,
        wanted=parsed.wanted,
        ends=n,
    )


def speed_up(done: Done) -> float:
    """Work in calibrated seconds, by seconds on the wall: two processes can do two seconds in one."""
    return done.items / 1000 / WORKERS / done.cost.seconds


PLACES = Workload(
    name="places",
    what="5 ms of sleep on 32 threads, then 1 ms of processor time on two processes; ideal time of the second by time",
    unit="efficiency",
    better="more",
    items=3_000,
    entries=(
        Entry("parse alone", "by_daglite", "last step", "limit"),
        Entry("daglite", "by_daglite", "places", "daglite"),
        Entry("two executors", "by_executor", "places"),
    ),
    measure=measured(fetched_and_parsed, speed_up, warm=8),
    beside=("parse alone",),
)

WORKLOADS = (PLACES,)
