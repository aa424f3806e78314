"""What clusters of 10 to 1,000 workers would do, by the real loop on simulated workers.

python -m benchmarks.simulated           the table
python -m benchmarks.simulated --check   two real workers of Dask beside two simulated ones
python -m benchmarks.simulated --knee    what `explain` calls the most workers, beside what simulated ones do
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Iterator
from dataclasses import replace

import daglite
from benchmarks.simulated.engine import Cluster, Simulated
from daglite import Plan, task
from daglite.options import Limits
from daglite.runtime import Dask
from daglite.scaling import ENGINE_COSTS, ItemLoad, most_workers

__all__ = ["DASK", "RAY", "busy", "checked", "once", "plan_of", "table"]


def cluster(engine: str, *, way: float, worker: float) -> Cluster:
    """Two workers of an engine, with what a chunk costs it in the model, which has no costs on the way."""
    cost = ENGINE_COSTS[engine]
    return Cluster(workers=2, item=0.001, client=cost.batch, scheduler=cost.scheduler, way=way, worker=worker)


# Seconds for a chunk, measured on two cores (docs/explanation/scale.md says how).
DASK = cluster("dask", way=0.002, worker=0.0005)
RAY = cluster("ray", way=0.0005, worker=0.0003)
ENGINES = {"Dask": DASK, "Ray": RAY}
WORKERS = (10, 100, 1000)
ITEMS = (0.001, 0.01, 0.1)
FACTORS = (0.5, 1, 2, 4)
# How long, in seconds, all workers would need together: long enough for the beginning not to count.
_LONG = 20.0
_MOST = 4_000_000


@task
def same(x: int) -> int:
    """What simulated workers do: nothing, for as long as they are told."""
    return x


@task
def total(so_far: int, x: int) -> int:
    return so_far + x


def plan_of(n: int, *, roomy: int = 0) -> Plan[int]:
    """The sum of so many items; `roomy`: with a window of so many, and batches to match."""
    items = same.map(x=range(n)).reduce(total, initial=0)
    if not roomy:
        return daglite.compile(items, helper_thread=False)
    return daglite.compile(items, helper_thread=False, max_in_flight=roomy, max_batch_size=roomy)


def once(cluster: Cluster, n: int, *, roomy: int = 0) -> Simulated:
    """One simulated run; checks its sum."""
    simulated = Simulated(cluster)
    assert plan_of(n, roomy=roomy).run(runtime=simulated) == n * (n - 1) // 2
    return simulated


def table() -> Iterator[str]:
    """The table, a row as soon as it is there."""
    yield "| engine | workers | an item takes | window | items/s | workers busy | items in a batch | items under way |"
    yield "|---|---|---|---|---|---|---|---|"
    for name, engine in ENGINES.items():
        for workers in WORKERS:
            for item in ITEMS:
                yield from rows(name, replace(engine, workers=workers, item=item))


def rows(name: str, cluster: Cluster) -> Iterator[str]:
    """One cluster, with the default window, and with one that holds what it aims at, where that is more."""
    n = min(_MOST, max(2000, int(cluster.workers * _LONG / cluster.item)))
    aim = int(max(0.05, 2 * cluster.workers / cluster.rate) / cluster.item)
    needed = 4 * cluster.workers * aim
    for room in (0, needed) if needed > 512 * cluster.workers else (0,):
        told = once(cluster, n, roomy=room).told
        shown = f"{room:,}" if room else "512 for each"
        yield (
            f"| {name} | {cluster.workers:,} | {1000 * cluster.item:g} ms | {shown} | {n / told.seconds:,.0f} "
            f"| {told.used(cluster):.0%} | {n / told.work_items:,.0f} | {told.most_items:,} |"
        )


@task
def nap(x: int, seconds: float) -> int:
    """What real workers do to compare with."""
    time.sleep(seconds)
    return x


def checked(seconds: float, n: int, runtime: Dask) -> tuple[float, float]:
    """Items a second of two real workers, and of two simulated ones whose items take as long as theirs did."""
    items = nap.partial(seconds=seconds).map(x=range(n)).reduce(total, initial=0)
    plan = daglite.compile(items, helper_thread=False)
    plan.run(runtime=runtime)
    began = time.perf_counter()
    plan.run(runtime=runtime)
    real = n / (time.perf_counter() - began)
    # A nap takes a little longer than it should.
    began = time.perf_counter()
    for _ in range(50):
        time.sleep(seconds)
    item = (time.perf_counter() - began) / 50
    return real, n / once(replace(DASK, item=item), n).told.seconds


def check() -> Iterator[str]:
    """Two workers, real and simulated."""
    yield "| an item takes | real items/s | simulated items/s | ratio |"
    yield "|---|---|---|---|"
    with Dask(workers=2) as runtime:
        for seconds, n in ((0.0002, 20_000), (0.001, 5000), (0.01, 1000), (0.1, 100)):
            real, simulated = checked(seconds, n, runtime)
            yield f"| {1000 * seconds:g} ms | {real:,.0f} | {simulated:,.0f} | {simulated / real:.2f} |"


def knee() -> Iterator[str]:
    """The workers that the model says are enough, and how busy half, as many, twice and four times as many are."""
    yield "| engine | an item takes | workers enough | busy at half | at so many | at twice | at four times |"
    yield "|---|---|---|---|---|---|---|"
    for name, engine in ENGINES.items():
        for item in (0.0005, 0.001, 0.01):
            cost = ENGINE_COSTS[name.lower()]
            most = most_workers(ItemLoad(cost.item, item), cost, Limits())
            shares = [busy(replace(engine, item=item, workers=max(1, int(most * factor)))) for factor in FACTORS]
            yield f"| {name} | {1000 * item:g} ms | {most:,} | {' | '.join(f'{share:.0%}' for share in shares)} |"


def busy(cluster: Cluster) -> float:
    """The share of their time in which simulated workers are busy."""
    n = min(_MOST, max(2000, int(cluster.workers * _LONG / cluster.item)))
    return once(cluster, n).told.used(cluster)


def main() -> None:
    """The command."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true", help="compare with two real workers")
    parser.add_argument("--knee", action="store_true", help="compare with what `explain` expects")
    given = parser.parse_args()
    for row in check() if given.check else knee() if given.knee else table():
        print(row, flush=True)


if __name__ == "__main__":
    main()
