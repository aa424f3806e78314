"""Faults of a Dask cluster, caused for real: nothing lost, nothing delivered twice, or an error in bounded time.

The scheduler and its workers are started by their commands.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from daglite import compile, task
from daglite.exceptions import ExecutionError, WorkerDiedError, failure_of
from daglite.runtime import Dask
from tests.engines.conformance.commands import Commands
from tests.faults.clusters import Cluster
from tests.faults.scripts import noted, starts, wait_for
from tests.paths import ROOT

pytestmark = pytest.mark.timeout(90)


@pytest.fixture(autouse=True)
def no_process_left() -> None:
    """Dask starts another worker for each that died, in its own time; all end with the commands that started them."""


@pytest.fixture
def doomed(tmp_path: Path) -> Iterator[Cluster]:
    """A cluster that the test will end."""
    commands = Commands(tmp_path)
    try:
        yield Cluster(commands, 1)
    finally:
        commands.end()


@task
def count(n: int) -> Iterator[int]:
    yield from range(n)


def nap(x: int) -> int:
    time.sleep(0.01)
    return x


@pytest.mark.parametrize("ordered", [True, False])
def test_a_killed_worker_loses_nothing_and_repeats_little(cluster: Cluster, notes: Path, ordered: bool) -> None:
    def work(x: int, folder: str) -> int:
        noted(folder, x)
        if x == 60 and (notes / "60").stat().st_size == 1:
            os.kill(os.getpid(), signal.SIGKILL)
        time.sleep(0.002)
        return x

    plan = compile(count.iter(n=400).then(task(work), folder=str(notes)))
    with plan.stream(runtime=Dask(cluster.client), ordered=ordered) as items:
        found = list(items)
    assert (found if ordered else sorted(found)) == list(range(400))
    seen = starts(notes)
    assert set(seen) == set(range(400))
    assert seen[60] == 2
    # What was at work or waiting on that worker, and nothing that was finished.
    assert sum(seen.values()) <= 400 + 2 * 64


def test_an_item_that_kills_is_named_after_three_starts(cluster: Cluster, notes: Path) -> None:
    """Dask by itself would start it four times for each of ours, on innocent workers."""

    def poison(x: int, folder: str) -> int:
        noted(folder, x)
        if x == 13:
            os.kill(os.getpid(), signal.SIGKILL)
        return x

    with pytest.raises(WorkerDiedError, match=r"'poison' on item 13; started 3 times; .*left the Dask") as caught:
        count.iter(n=100).then(task(poison), folder=str(notes)).run(runtime=Dask(cluster.client))
    # A chunk that waited behind another may count as started when it was not; never the other way round.
    assert 2 <= starts(notes)[13] <= 3
    facts = failure_of(caught.value)
    assert facts is not None
    assert (facts.task, facts.index, facts.attempt) == ("poison", 13, 3)
    assert count.iter(n=9).then(task(lambda x: x)).run(runtime=Dask(cluster.client)) == list(range(9))


def test_what_may_not_start_twice_does_not(cluster: Cluster, notes: Path) -> None:
    def pay(x: int, folder: str) -> int:
        noted(folder, x)
        if x == 5:
            os.kill(os.getpid(), signal.SIGKILL)
        return x

    careful = task(pay, retry_on_crash=False)
    with pytest.raises(WorkerDiedError, match="started once"):
        count.iter(n=40).then(careful, folder=str(notes)).run(runtime=Dask(cluster.client))
    time.sleep(1.5)
    # Also later, when its worker is back, nobody starts it again.
    assert set(starts(notes).values()) == {1}


def test_single_calls_and_generators_are_started_again(cluster: Cluster, notes: Path) -> None:
    @task
    def fragile(n: int, folder: str) -> Iterator[int]:
        noted(folder, n)
        for i in range(n):
            if i == 5 and (Path(folder) / str(n)).stat().st_size == 1:
                os.kill(os.getpid(), signal.SIGKILL)
            yield i

    assert fragile(n=8, folder=str(notes)).run(runtime=Dask(cluster.client)) == list(range(8))
    assert starts(notes) == {8: 2}


def test_a_worker_killed_within_a_partition_repeats_it_and_nothing_comes_twice(cluster: Cluster, notes: Path) -> None:
    """The partition begins again on another worker, and what has come of it is skipped."""

    @task
    def rows(number: int, folder: str) -> Iterator[int]:
        noted(folder, number)
        for i in range(4000):
            if (number, i) == (2, 3500) and (Path(folder) / "2").stat().st_size == 1:
                os.kill(os.getpid(), signal.SIGKILL)
            yield 4000 * number + i

    parts = rows.iter_partitions([{"number": n, "folder": str(notes)} for n in range(6)])
    assert parts.run(runtime=Dask(cluster.client)) == list(range(24_000))
    assert starts(notes)[2] == 2


def test_a_worker_killed_between_two_runs_is_not_missed(cluster: Cluster) -> None:
    with Dask(cluster.address) as kept:
        for _ in range(3):
            assert count.iter(n=50).then(task(lambda x: x)).run(runtime=kept) == list(range(50))
            (pid, *_) = cluster.pids().values()
            assert isinstance(pid, int)
            os.kill(pid, signal.SIGKILL)


def test_a_worker_that_joins_gets_work(cluster: Cluster) -> None:
    def where(x: int) -> int:
        time.sleep(0.02)
        return os.getpid()

    def join() -> None:
        time.sleep(0.5)
        cluster.commands.worker(cluster.address)

    joining = threading.Thread(target=join)
    joining.start()
    found = compile(count.iter(n=500).then(task(where)), max_batch_size=2).run(runtime=Dask(cluster.client))
    joining.join()
    assert len(set(found)) >= 3


def test_the_end_of_the_scheduler_is_told_in_bounded_time(doomed: Cluster) -> None:
    @task
    def sink(n: int) -> Iterator[int]:
        for number in range(n):
            if number == 20:
                os.killpg(doomed.scheduler.pid, signal.SIGKILL)
            yield number

    with pytest.raises(ExecutionError, match=r"the connection to the Dask scheduler at tcp://.* is lost"):
        sink.iter(n=10_000).then(task(nap)).run(runtime=Dask(doomed.address))


@pytest.mark.parametrize("leave", ["early", "error"])
def test_what_a_run_leaves_unfinished_is_not_done_any_more(cluster: Cluster, notes: Path, leave: str) -> None:
    def slow(x: int, folder: str) -> int:
        noted(folder, x)
        time.sleep(0.05)
        return x if x != 3 or leave == "early" else 1 // 0

    plan = compile(count.iter(n=1000).then(task(slow), folder=str(notes)), max_batch_size=20)
    if leave == "early":
        with plan.stream(runtime=Dask(cluster.client)) as items:
            assert [next(items) for _ in range(4)] == [0, 1, 2, 3]
    else:
        with pytest.raises(ZeroDivisionError, match="division"):
            plan.run(runtime=Dask(cluster.client))
    assert cluster.empty_within(5)
    time.sleep(0.2)
    # Each worker has ended after the item it was at.
    before = starts(notes)
    time.sleep(0.5)
    assert starts(notes) == before


SCRIPT = """
import sys, time
from pathlib import Path
from daglite import task
from daglite.runtime import Dask

def slow(x):
    Path(sys.argv[2], str(x)).write_text("x")
    time.sleep(0.05)
    return x

def source(n):
    for x in range(n):
        yield x

folder = sys.argv[2]

@task
def napping(x: int, folder: str) -> int:
    Path(folder, str(x)).write_text("x")
    time.sleep(0.05)
    return x

napping.partial(folder=folder).map(x=range(2000)).run(runtime=Dask(sys.argv[1]))
"""


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_the_end_of_the_coordinator_leaves_nothing_on_the_cluster(
    cluster: Cluster, notes: Path, how: signal.Signals, start: Callable[..., subprocess.Popen[str]]
) -> None:
    process = start(SCRIPT, cluster.address, str(notes))
    wait_for(notes / "5")
    process.send_signal(how)
    _, errors = process.communicate(timeout=30)
    assert process.returncode in ((-how,) if how != signal.SIGINT else (-how, 1, 130)), errors
    assert cluster.empty_within(10)
    time.sleep(1)
    before = starts(notes)
    time.sleep(0.5)
    assert starts(notes) == before


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Callable[..., subprocess.Popen[str]]]:
    """Run a script that finds daglite; it ends with the test."""
    running: list[subprocess.Popen[str]] = []

    def go(text: str, *arguments: str) -> subprocess.Popen[str]:
        script = tmp_path / "script.py"
        script.write_text(text)
        running.append(
            subprocess.Popen(
                [sys.executable, str(script), *arguments],
                cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True,
            )
        )  # fmt: skip
        return running[-1]

    yield go
    for process in running:
        process.kill()
        process.communicate()
