"""Runs that end early: Ctrl-C, a killed coordinator, a consumer that leaves."""

from __future__ import annotations

import asyncio
import gc
import os
import signal
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

import daglite
from daglite import task
from daglite.options import RuntimeName
from tests.faults.scripts import Launch, children_of, gone_within, wait_for

SCRIPT = """
import os, sys, time
from pathlib import Path
from daglite import task, DatasetStore

mode, method = sys.argv[1:]

@task
def numbers():
    try:
        n = 0
        while True:
            yield n
            n += 1
    finally:
        Path("closed").write_text("closed")

@task
def work(x):
    if x == 20:
        Path("ready").write_text(str(os.getppid()))
    if mode == "sleep":
        time.sleep(600 if x > 20 else 0)
    elif mode == "c":
        # Holds the interpreter in C code: no Python thread of the worker could act.
        if x > 20: pow(7, 10 ** 9, 10 ** 400_000 + 1)
    return x

try:
    numbers.iter().save("{iteration_index}", save_store=DatasetStore("store")).then(work).run(
        workers=2, start_method=method)
finally:
    Path("ended").write_text("ended")
"""


@pytest.mark.parametrize("method", ["fork", "forkserver", "spawn"])
@pytest.mark.parametrize("mode", ["sleep", "busy"])
def test_interrupt_of_the_group_ends_the_run_silently(mode: str, method: str, tmp_path: Path, launch: Launch) -> None:
    process = launch(SCRIPT, mode, method)
    wait_for(tmp_path / "ready")
    workers = children_of(process.pid)
    os.killpg(process.pid, signal.SIGINT)
    _, errors = process.communicate(timeout=60)
    assert process.returncode == -signal.SIGINT
    assert errors.count("Traceback") == 1
    assert "KeyboardInterrupt" in errors
    assert "daglite-worker" not in errors
    assert (tmp_path / "closed").exists()
    assert gone_within(workers, 2) == []
    store = daglite.DatasetStore(tmp_path / "store")
    assert [store.load(key) for key in store.list_keys()] == [int(key) for key in store.list_keys()]


@pytest.mark.parametrize("method", ["fork", "forkserver", "spawn"])
@pytest.mark.parametrize("mode", ["sleep", "busy", "c"])
def test_workers_die_with_a_killed_coordinator(mode: str, method: str, tmp_path: Path, launch: Launch) -> None:
    process = launch(SCRIPT, mode, method)
    wait_for(tmp_path / "ready")
    workers = children_of(process.pid)
    assert workers
    process.kill()
    process.communicate(timeout=20)
    assert gone_within(workers, 2) == []


LARGE = """
import sys
from pathlib import Path
from daglite import task
import numpy as np

@task
def numbers():
    n = 0
    while True:
        yield n
        n += 1

@task
def full(x):
    return np.full(1_000_000, float(x))

@task
def check(count, array):
    assert (array == count).all()
    if count == 20:
        Path("ready").write_text("ready")
    return count + 1

numbers.iter().then(full).reduce(check, initial=0).run(workers=2, start_method=sys.argv[1])
"""


@pytest.mark.parametrize("method", ["fork", "forkserver", "spawn"])
def test_blocks_of_large_results_end_with_a_killed_coordinator(method: str, tmp_path: Path, launch: Launch) -> None:
    """They have no name, and nobody is left who has them."""
    process = launch(LARGE, method)
    wait_for(tmp_path / "ready")
    users = [pid for pid in (process.pid, *children_of(process.pid)) if "memfd:daglite" in mapped_by(pid)]
    # The coordinator, and workers that it has lent some.
    assert len(users) >= 2
    process.kill()
    process.communicate(timeout=20)
    assert gone_within(users[1:], 2) == []
    assert not [name for name in os.listdir("/dev/shm") if "daglite" in name]


def mapped_by(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/maps").read_text()
    except OSError:
        return ""


CLOSED: list[str] = []


@task
def endless() -> Iterator[int]:
    number = 0
    try:
        while True:
            yield number
            number += 1
    finally:
        CLOSED.append("closed")


@task
def double(x: int) -> int:
    return x * 2


def leave_by_break(plan: daglite.Plan[list[int]], crew: RuntimeName) -> None:
    for item in plan.stream(runtime=crew, workers=2):
        if item > 100:
            break


def leave_by_close(plan: daglite.Plan[list[int]], crew: RuntimeName) -> None:
    items = plan.stream(runtime=crew, workers=2)
    next(items)
    items.close()
    items.close()
    assert list(items) == []


def leave_by_dropping(plan: daglite.Plan[list[int]], crew: RuntimeName) -> None:
    next(plan.stream(runtime=crew, workers=2))


@pytest.mark.parametrize("leave", [leave_by_break, leave_by_close, leave_by_dropping])
def test_a_consumer_that_leaves_ends_the_run(
    leave: Callable[[daglite.Plan[list[int]], RuntimeName], None], crew: RuntimeName, nothing_left: None
) -> None:
    CLOSED.clear()
    leave(daglite.compile(endless.iter().then(double)), crew)
    gc.collect()
    assert CLOSED == ["closed"]


def test_cancelling_run_async_ends_the_run(crew: RuntimeName, nothing_left: None) -> None:
    async def main() -> None:
        running = asyncio.ensure_future(endless.iter().then(double).run_async(runtime=crew, workers=2))
        await asyncio.sleep(0.3)
        running.cancel()
        with pytest.raises(asyncio.CancelledError, match=r"^$"):
            await running

    CLOSED.clear()
    asyncio.run(main())
    assert CLOSED == ["closed"]


def test_run_works_inside_a_running_loop_and_in_threads(crew: RuntimeName) -> None:
    @task
    def five() -> Iterator[int]:
        yield from range(5)

    pipeline = five.iter().then(double)

    async def main() -> list[list[int]]:
        inside = pipeline.run(runtime=crew, workers=1)
        both = await asyncio.gather(
            pipeline.run_async(runtime=crew, workers=1), pipeline.run_async(runtime=crew, workers=1)
        )
        return [inside, *both]

    assert asyncio.run(main()) == [[0, 2, 4, 6, 8]] * 3


def test_a_run_inside_a_task_stays_in_its_worker() -> None:
    def nested(x: int) -> tuple[int, list[int]]:
        return os.getpid(), double.map(x=[x, x + 1]).run()

    found = double.map(x=[1, 2]).then(task(nested)).run(workers=2)
    assert [values for _, values in found] == [[4, 6], [8, 10]]
    assert os.getpid() not in [pid for pid, _ in found]


# Both write their errors into a file, so that a test sees when something is told, and are stuck until they may go on.
STUCK = """
import os, sys, time
from pathlib import Path
from daglite import compile, task

sys.stderr = open("errors", "w", buffering=1)

@task
def numbers():
    yield from range(2)
    Path("stuck").write_text("stuck")
    while not Path("go").exists():
        time.sleep(0.01)
    yield 10

@task
def work(x):
    if x == 0:
        Path("sleeper").write_text(str(os.getpid()))
        time.sleep(600)
    if x == 1:
        while not (Path("sleeper").exists() and Path("stuck").exists()):
            time.sleep(0.01)
        raise ValueError("bad item")
    return x

compile(numbers.iter().then(work), max_batch_size=1).run(workers=2)
"""


TOLD = "it is raised as soon as the source 'numbers' returns"


def test_an_error_behind_a_stuck_source_is_logged_and_raised_when_it_returns(tmp_path: Path, launch: Launch) -> None:
    process = launch(STUCK)
    sleeper = int(wait_for(tmp_path / "sleeper"))
    wait_for(tmp_path / "errors", holding=f"bad item; {TOLD}")
    assert gone_within([sleeper], 5) == []
    assert process.poll() is None
    (tmp_path / "go").touch()
    process.communicate(timeout=20)
    assert "task 'work', item 1 (1)" in (tmp_path / "errors").read_text()
    assert process.returncode == 1


def test_ctrl_c_brings_out_the_error_behind_a_stuck_source(tmp_path: Path, launch: Launch) -> None:
    process = launch(STUCK)
    sleeper = int(wait_for(tmp_path / "sleeper"))
    wait_for(tmp_path / "errors", holding=TOLD)
    assert gone_within([sleeper], 5) == []
    os.killpg(process.pid, signal.SIGINT)
    process.communicate(timeout=20)
    assert "\nValueError: bad item\n" in (tmp_path / "errors").read_text()
    assert process.returncode == 1


BESIDE = """
import os, sys, time
from pathlib import Path
from daglite import compile, task

sys.stderr = open("errors", "w", buffering=1)

@task
def numbers():
    yield 0
    Path("stuck").write_text("stuck")
    while not Path("go").exists():
        time.sleep(0.01)
    yield 1

@task
def work(x):
    Path("sleeper").write_text(str(os.getpid()))
    time.sleep(600)

@task
def broken():
    while not (Path("sleeper").exists() and Path("stuck").exists()):
        time.sleep(0.01)
    raise ValueError("bad call")

@task
def both(xs, y):
    return xs, y

both(xs=numbers.iter().then(work), y=broken()).run(workers=2)
"""


@pytest.mark.parametrize("how", ["the source returns", "ctrl-c"])
def test_a_call_that_fails_beside_a_stuck_source_is_logged_and_stops_the_workers(
    how: str, tmp_path: Path, launch: Launch
) -> None:
    process = launch(BESIDE)
    sleeper = int(wait_for(tmp_path / "sleeper"))
    # Only now: whoever ends the wait before it is told does not need it.
    wait_for(tmp_path / "errors", holding=f"ValueError: bad call; {TOLD}")
    assert gone_within([sleeper], 5) == []
    assert process.poll() is None
    if how == "ctrl-c":
        os.killpg(process.pid, signal.SIGINT)
    else:
        (tmp_path / "go").touch()
    process.communicate(timeout=20)
    assert "daglite: task 'broken', worker" in (tmp_path / "errors").read_text()
    assert process.returncode == 1


def test_a_call_that_fails_ends_a_stream_beside_it_that_needs_no_workers(nothing_left: None) -> None:
    @task
    def total(acc: int, x: int) -> int:
        return acc + x

    @task
    def broken() -> int:
        raise ValueError("bad call")

    both = task(lambda xs, y: (xs, y), name="both")
    endless_sum = endless.iter().reduce(total, initial=0)
    with pytest.raises(ValueError, match="bad call"):
        both(xs=endless_sum, y=broken()).run(workers=1)
