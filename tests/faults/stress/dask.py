"""Repeat small runs on a local Dask cluster while workers die; fail at the first run that misses its deadline.

    python -m tests.faults.stress.dask --repeats 500 --deadline 300 --seed 1

Each repeat draws a scenario, an order and a batch size, and often kills a worker from outside at a random moment. All
repeats share one cluster and one client, so that a fault in one run can harm the next. A missed deadline prints
the stacks of all threads, the tasks of the client's event loop, the jobs of the engine, and what the scheduler and
the workers know of every key. The exit code is 1 for a missed deadline or a wrong result.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import faulthandler
import gc
import os
import random
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

import distributed

from daglite import compile, task
from daglite.runtime import Dask
from daglite.runtime.dataflow import tree_reduce
from daglite.runtime.engines.clusters import engine
from daglite.runtime.engines.clusters.engine import ClusterEngine
from tests.engines.conformance.commands import Commands
from tests.faults.clusters import states_at, states_of

WORKERS = 3
# Seconds after which the state of a repeat is printed, though it may go on.
SLOW = 20.0
# More bytes than the least that stays with the workers.
PAD = bytes(300_000)
Padded = tuple[list[int], bytes]


@task
def count(n: int) -> Iterator[int]:
    yield from range(n)


@task
def blocks(n: int) -> Iterator[bytes]:
    for x in range(n):
        yield bytes([x % 256]) * 200_000


def die_once(folder: str, x: int, at: int) -> None:
    """Kill this worker at item `at`, the first time that it is seen."""
    if x == at:
        with contextlib.suppress(FileExistsError):
            Path(folder, str(x)).touch(exist_ok=False)
            os.kill(os.getpid(), signal.SIGKILL)


def work(x: int, folder: str, at: int) -> int:
    die_once(folder, x, at)
    time.sleep(0.001)
    return 2 * x


def weigh(block: bytes, folder: str, at: int) -> int:
    die_once(folder, block[0], at)
    return len(block)


def deadly(x: int, at: int) -> int:
    if x == at:
        os.kill(os.getpid(), signal.SIGKILL)
    return x


def listed(so_far: Padded, x: int) -> Padded:
    return [*so_far[0], x], so_far[1]


class Case:
    """One repeat: a scenario with its draws. Each scenario raises `AssertionError` for a wrong result."""

    def __init__(self, client: distributed.Client, folder: str, draw: random.Random) -> None:
        self.runtime = Dask(client)
        self.folder = folder
        self.at = draw.choice([-1, 3, 17, 40])
        self.ordered = draw.random() < 0.5
        self.batch = draw.choice([1, 2, 5])

    def plain(self) -> None:
        plan = compile(count.iter(n=120).then(task(work), folder=self.folder, at=self.at), max_batch_size=self.batch)
        with plan.stream(runtime=self.runtime, ordered=self.ordered) as items:
            found = list(items)
        assert (found if self.ordered else sorted(found)) == [*range(0, 240, 2)]

    def early(self) -> None:
        plan = compile(count.iter(n=500).then(task(work), folder=self.folder, at=self.at), max_batch_size=self.batch)
        with plan.stream(runtime=self.runtime) as items:
            assert [next(items) for _ in range(self.batch)] == [*range(0, 2 * self.batch, 2)]
        # What the abandoned run has left must not harm the next one.
        assert count.iter(n=20).then(task(work), folder=self.folder, at=-1).run(runtime=self.runtime)[-1] == 38

    def failing(self) -> None:
        with contextlib.suppress(ZeroDivisionError):
            count.iter(n=50).then(task(lambda x: 1 // (x - 30))).run(runtime=self.runtime)
            raise AssertionError("no error")
        assert count.iter(n=20).then(task(work), folder=self.folder, at=-1).run(runtime=self.runtime)[-1] == 38

    def large(self) -> None:
        items = blocks.iter(n=48).then(task(weigh), folder=self.folder, at=self.at)
        assert compile(items, max_batch_size=8).run(runtime=self.runtime) == [200_000] * 48

    def partials(self) -> None:
        start: Padded = ([-1], PAD)
        items = count.iter(n=60).then(task(work), folder=self.folder, at=self.at)
        fold = items.reduce(task(listed), initial=start, combine=lambda a, b: (a[0] + b[0], a[1]), empty=([], PAD))
        assert compile(fold, max_batch_size=1).run(runtime=self.runtime)[0] == [-1, *range(0, 120, 2)]

    def skipped(self) -> None:
        items = count.iter(n=9).then(task(deadly, on_error="skip"), at=4)
        assert items.run(runtime=self.runtime) == [0, 1, 2, 3, 5, 6, 7, 8]

    def two_at_once(self) -> None:
        failures: list[BaseException] = []

        def beside() -> None:
            try:
                self.plain()
            except BaseException as error:
                failures.append(error)

        thread = threading.Thread(target=beside, daemon=True)
        thread.start()
        self.early()
        thread.join()
        for error in failures:
            raise error


SCENARIOS: tuple[Callable[[Case], None], ...] = (
    Case.plain, Case.early, Case.failing, Case.large, Case.partials, Case.skipped, Case.two_at_once,
)  # fmt: skip


def kill_one(workers: list[subprocess.Popen[bytes]], draw: random.Random, delay: float) -> None:
    """Kill a worker after `delay` seconds."""
    time.sleep(delay)
    draw.choice(workers).kill()


def print_state(client: distributed.Client) -> None:
    """Print what this process, the scheduler and the workers know of a run that does not end."""
    faulthandler.dump_traceback(all_threads=True)
    for job in asyncio.all_tasks(client.loop.asyncio_loop):
        print("task of the loop:")
        job.print_stack(file=sys.stdout)
    print("futures of the client:", {key: state.status for key, state in vars(client)["futures"].items()})
    for found in gc.get_objects():
        if isinstance(found, ClusterEngine):
            print("engine:", {name: value for name, value in vars(found).items() if name != "codec"})
            for name, value in vars(found).items():
                if hasattr(value, "event_queue"):
                    print(f"its {name}:", vars(value))
    for what, ask in (("scheduler", lambda: client.run_on_scheduler(states_of)),
                      ("workers", lambda: client.run(states_at, on_error="return"))):  # fmt: skip
        asking = threading.Thread(target=lambda ask=ask, what=what: print(what, ask()), daemon=True)
        asking.start()
        asking.join(40)
    sys.stdout.flush()


def tasks_left(client: distributed.Client) -> list[str]:
    """Return what runs on the event loop of the client for a transport, half a minute after the last run."""
    until = time.monotonic() + 30
    while left := [text for text in map(repr, asyncio.all_tasks(client.loop.asyncio_loop)) if "DaskTransport" in text]:
        if time.monotonic() > until:
            break
        time.sleep(0.1)
    return left


def repeat(
    client: distributed.Client, workers: list[subprocess.Popen[bytes]], number: int, seed: int, deadline: float
) -> str:
    """Do one repeat; returns the name of its scenario, with "+kill" where a worker was killed from outside."""
    draw = random.Random(f"{seed}-{number}")
    scenario = draw.choice(SCENARIOS)
    name = scenario.__name__
    outcome: list[BaseException | None] = []
    with tempfile.TemporaryDirectory() as folder:
        case = Case(client, folder, draw)
        killing: threading.Thread | None = None
        if draw.random() < 0.4:
            name += "+kill"
            killing = threading.Thread(target=kill_one, args=(workers, draw, draw.uniform(0.0, 0.4)), daemon=True)
            killing.start()

        def go() -> None:
            try:
                scenario(case)
                outcome.append(None)
            except BaseException as error:
                outcome.append(error)

        running = threading.Thread(target=go, name="repeat", daemon=True)
        running.start()
        # Most take less than a second.
        running.join(min(SLOW, deadline))
        if not outcome:
            print(f"repeat {number} ({name}, seed {seed}, {vars(case)}) is slow")
            print_state(client)
            running.join(deadline)
        if not outcome:
            print(f"repeat {number} ({name}, seed {seed}, {vars(case)}) has not ended after {deadline:g} s")
            print_state(client)
            os._exit(1)
    if killing is not None:
        # In the next repeat it might be one kill too many.
        killing.join()
    if outcome[0] is not None:
        print(f"repeat {number} ({name}, seed {seed}, {vars(case)}) failed")
        raise outcome[0]
    return name


def main() -> None:
    """Do the repeats, and print how many there were of each scenario and how long the longest took."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--repeats", type=int, default=500)
    parser.add_argument("--deadline", type=float, default=300.0, help="seconds that one repeat may take")
    parser.add_argument("--seed", type=int, default=1)
    given = parser.parse_args()
    # Partials of some size stay with the workers, though these are few.
    tree_reduce.MIN_KEPT_BYTES = tree_reduce.RETURNED_BYTES = 0
    # All workers may be dead at once, and on a busy machine others take a while to start. The deadline limits that.
    engine._WITHOUT_WORKERS = given.deadline
    seen: Counter[str] = Counter()
    longest = 0.0
    began = time.monotonic()
    with tempfile.TemporaryDirectory() as folder:
        commands = Commands(Path(folder))
        try:
            address = commands.scheduler()
            workers = commands.keep_workers(address, WORKERS)
            with distributed.Client(address, set_as_default=False) as client:
                for number in range(given.repeats):
                    client.wait_for_workers(2, timeout=given.deadline)
                    start = time.monotonic()
                    seen[repeat(client, workers, number, given.seed, given.deadline)] += 1
                    longest = max(longest, time.monotonic() - start)
                    if (number + 1) % 25 == 0:
                        taken = time.monotonic() - began
                        print(f"{number + 1} repeats in {taken:.0f} s, the longest {longest:.1f} s", flush=True)
                assert not (left := tasks_left(client)), f"the event loop still runs {left}"
        finally:
            commands.end()
    print(f"{given.repeats} repeats, none missed its deadline of {given.deadline:g} s: {dict(sorted(seen.items()))}")


if __name__ == "__main__":
    main()
