"""How fast, beside a bare loop and `multiprocessing.Pool`: all in one run, in turns, because only ratios last.

trivial   generator -> double -> add_ten -> sum: what the machinery costs
1 ms      one millisecond of processor time for each item: what the workers bring
start     a whole process that runs ten items
"""

from __future__ import annotations

import argparse
import multiprocessing
import os
import platform
import statistics
import subprocess
import sys
import tempfile
import time
import timeit
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from typing import NamedTuple

from daglite import task

WORKERS = len(os.sched_getaffinity(0))
CHUNK = 256
# What the pool would take here by itself up to Python 3.13.
FORK = multiprocessing.get_context("fork")


@task
def numbers(n: int) -> Iterator[int]:
    """0, 1, 2, ..."""
    yield from range(n)


@task
def double(x: int) -> int:
    """2x."""
    return x * 2


@task
def add_ten(x: int) -> int:
    """x + 10."""
    return x + 10


@task
def add(total: int, item: int) -> int:
    """A sum."""
    return total + item


def both(x: int) -> int:
    """The two tasks as one plain function."""
    return add_ten.fn(double.fn(x))


def loop(n: int) -> int:
    """What there is to do."""
    f, g, plus, total = double.fn, add_ten.fn, add.fn, 0
    for x in numbers.fn(n):
        total = plus(total, g(f(x)))
    return total


def pool(n: int) -> int:
    """The chunk is set by hand."""
    plus, total = add.fn, 0
    with FORK.Pool(WORKERS) as workers:
        for item in workers.imap(both, numbers.fn(n), chunksize=CHUNK):
            total = plus(total, item)
    return total


def inline(n: int) -> int:
    """daglite in this process."""
    return numbers.iter(n=n).then(double).then(add_ten).reduce(add, initial=0).run(runtime="inline")


def processes(n: int) -> int:
    """daglite on workers, nothing set."""
    return numbers.iter(n=n).then(double).then(add_ten).reduce(add, initial=0).run(workers=WORKERS)


def spin(rounds: int) -> int:
    """Some processor time: a fixed amount of work, so that waiting for a processor counts."""
    total = 0
    for number in range(rounds):
        total += number * number % 7
    return total % 10


# A function that keeps its own name can be given to a pool as well.
spin_task = task(spin)


@task
def same(n: int, rounds: int) -> Iterator[int]:
    """The same amount of work again and again."""
    for _ in range(n):
        yield rounds


def spin_often(n: int, rounds: int) -> int:
    """One item after the other."""
    return sum(spin(item) for item in same.fn(n, rounds))


def calibrated() -> int:
    """How many rounds take a millisecond, on a processor that nobody else wants."""
    return int(20_000 * 0.001 / min(timeit.repeat(partial(spin, 20_000), number=1, repeat=20)))


def spin_halves(n: int, rounds: int) -> int:
    """The most there is to gain now: each process is given its share at once, and sends back one number."""
    with FORK.Pool(WORKERS) as workers:
        return sum(workers.starmap(spin_often, [(n // WORKERS, rounds)] * WORKERS, chunksize=1))


def spin_pool(n: int, rounds: int, chunk: int) -> int:
    """The pool, its chunk set by hand."""
    with FORK.Pool(WORKERS) as workers:
        return sum(workers.imap(spin, same.fn(n, rounds), chunksize=chunk))


def spin_processes(n: int, rounds: int) -> int:
    """daglite on workers, nothing set."""
    return same.iter(n=n, rounds=rounds).then(spin_task).reduce(add, initial=0).run(workers=WORKERS)


START_POOL = f"""
import multiprocessing
def double(x): return 2 * x
with multiprocessing.get_context("fork").Pool({WORKERS}) as workers:
    print(sum(workers.imap(double, range(10))))
"""
START_DAGLITE = f"""
from daglite import task
@task
def double(x: int) -> int: return 2 * x
print(sum(double.map(x=range(10)).run(workers={WORKERS})))
"""
STARTS = {
    "python alone": "print(90)",
    "import multiprocessing": "import multiprocessing.pool; print(90)",
    "import daglite": "import daglite; print(90)",
    "imap of 10": START_POOL,
    "daglite of 10": START_DAGLITE,
}


def started(script: str, cache: str) -> int:
    """What a whole process prints; it finds its modules compiled in the folder `cache`, or puts them there."""
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    environment["PYTHONPYCACHEPREFIX"] = cache
    done = subprocess.run([sys.executable, "-c", script], check=True, stdout=subprocess.PIPE, env=environment)
    return int(done.stdout)


class Cost(NamedTuple):
    """What one contestant took: time on the wall, and processor time of this process and its children.

    On a machine with other work the first says little; the second says what the machinery adds to the work.
    """

    seconds: float
    processor: float


def now() -> Cost:
    """Both clocks; children count when they have ended."""
    return Cost(time.perf_counter(), sum(os.times()[:4]))


def in_turns(contestants: Mapping[str, Callable[[], int]], repeats: int) -> dict[str, Cost]:
    """The median costs of each; all must give the same."""
    costs: dict[str, list[Cost]] = {name: [] for name in contestants}
    results = set()
    for _ in range(repeats):
        for name, run in contestants.items():
            begin = now()
            results.add(run())
            end = now()
            costs[name].append(Cost(end.seconds - begin.seconds, end.processor - begin.processor))
    assert len(results) == 1, f"results differ: {results}"
    return {name: Cost(*map(statistics.median, zip(*found, strict=True))) for name, found in costs.items()}


def trivial(n: int, repeats: int) -> None:
    """The first table."""
    contestants = {"loop": loop, "daglite inline": inline, f"imap, chunk {CHUNK}": pool, "daglite processes": processes}
    costs = in_turns({name: partial(run, n) for name, run in contestants.items()}, repeats)
    print(f"\n{f'trivial, {n:,} items':28} {'items/s':>12} {'of the loop':>12} {'of imap':>9} {'CPU us an item':>15}")
    for name, cost in costs.items():
        of_loop, of_imap = (costs[other].seconds / cost.seconds for other in ("loop", f"imap, chunk {CHUNK}"))
        rate, each = n / cost.seconds, 1e6 * cost.processor / n
        print(f"{name:28} {rate:12,.0f} {of_loop:12.3f} {of_imap:9.2f} {each:15.2f}", flush=True)


def busy(n: int, repeats: int) -> None:
    """The second table."""
    rounds, n = calibrated(), n - n % WORKERS
    contestants = {
        "loop": partial(spin_often, n, rounds),
        "shares, made by hand": partial(spin_halves, n, rounds),
        "imap, chunk 1": partial(spin_pool, n, rounds, 1),
        "imap, chunk 16": partial(spin_pool, n, rounds, 16),
        "daglite processes": partial(spin_processes, n, rounds),
    }
    costs = in_turns(contestants, repeats)
    print(f"\n{f'1 ms, {n:,} items':28} {'seconds':>12} {'speed-up':>12} {'of shares':>9} {'CPU ms an item':>15}")
    for name, cost in costs.items():
        speed_up, of_shares = (costs[other].seconds / cost.seconds for other in ("loop", "shares, made by hand"))
        each = 1e3 * cost.processor / n
        print(f"{name:28} {cost.seconds:12.2f} {speed_up:12.2f} {of_shares:9.2f} {each:15.2f}", flush=True)


def start(repeats: int) -> None:
    """The third table."""
    with tempfile.TemporaryDirectory(prefix="speed-") as cache:
        contestants = {name: partial(started, script, cache) for name, script in STARTS.items()}
        in_turns(contestants, 1)
        costs = in_turns(contestants, repeats)
    print(f"\n{'a whole process':28} {'ms':>12} {'above python':>12} {'CPU ms':>25}")
    for name, cost in costs.items():
        above = cost.seconds - costs["python alone"].seconds
        print(f"{name:28} {1e3 * cost.seconds:12.0f} {1e3 * above:12.0f} {1e3 * cost.processor:25.0f}", flush=True)


def main(arguments: Sequence[str] | None = None) -> int:
    """The command."""
    parser = argparse.ArgumentParser(description="Measure speed beside a bare loop and multiprocessing.Pool.")
    parser.add_argument("--quick", action="store_true", help="fewer items, no repeats")
    quick = parser.parse_args(arguments).quick
    print(f"Python {platform.python_version()}, {WORKERS} processors; medians of {1 if quick else 3}, in turns")
    trivial(20_000 if quick else 200_000, 1 if quick else 3)
    busy(200 if quick else 2_000, 1 if quick else 3)
    start(1 if quick else 3)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
