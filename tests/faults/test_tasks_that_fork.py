"""A task that forks its worker: the copy never answers for it, and what it does in the copy is done once."""

from __future__ import annotations

import logging
import multiprocessing
import os
import sys
import warnings
from collections.abc import Iterator
from pathlib import Path

import pytest

from daglite import Plan, compile, task
from daglite.options import StartMethod
from daglite.runtime import Processes
from tests.faults.scripts import Launch
from tests.tasks import count

pytestmark = pytest.mark.timeout(60)
METHODS: list[StartMethod] = ["fork", "forkserver", "spawn"]


def forks(x: int, folder: str, how: str) -> tuple[int, int]:
    """Forks at one item; the copy comes back from here as the worker does. Gives the exit code of the copy."""
    with Path(folder, "calls").open("a") as file:
        file.write(f"{x}\n")
    if x != 3:
        return x, 0
    pid = os.fork()
    if pid == 0:
        if how == "exits":
            sys.exit(7)
        if how == "raises":
            sys.stderr = None
            raise ValueError("in the copy")
        return -x, 0
    return x, os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize(("how", "code"), [("returns", 0), ("exits", 7), ("raises", 1)])
def test_the_copy_of_a_task_that_forks_does_not_answer(
    how: str, code: int, method: StartMethod, tmp_path: Path, nothing_left: None
) -> None:
    plan: Plan[list[tuple[int, int]]] = compile(count.iter(n=20).then(task(forks), folder=str(tmp_path), how=how))
    assert plan.run(workers=1, start_method=method) == [(x, code if x == 3 else 0) for x in range(20)]
    # The copy goes no further than its item: nothing is called twice behind the fork.
    assert (tmp_path / "calls").read_text().split() == [str(x) for x in range(20)]


def test_the_copy_of_a_generator_that_forks_does_not_answer(nothing_left: None) -> None:
    @task
    def forking() -> Iterator[int]:
        yield 1
        pid = os.fork()
        if pid:
            os.waitpid(pid, 0)
        yield -2 if pid == 0 else 2

    assert compile(forking.iter(), optimize=False).run(workers=1) == [1, 2]
    assert forking().run(workers=1) == [1, 2]


def test_time_limits_and_retries_of_a_copy_do_not_reach_the_coordinator(nothing_left: None) -> None:
    @task(timeout=30, retries=2)
    def limited(x: int) -> int:
        pid = os.fork()
        if pid:
            os.waitpid(pid, 0)
        return x if pid else -x

    assert limited.map(x=range(1, 6)).run(workers=1) == [1, 2, 3, 4, 5]


ON_A_LOOP = """
import asyncio, os, sys, warnings
from pathlib import Path
from daglite import task

warnings.simplefilter("ignore")
how = sys.argv[1]

def note(name, x):
    with Path(name).open("a") as file:
        file.write(f"{x}\\n")

@task
def numbers():
    yield from range(20)

@task(on="threads", workers=4, retries=2)
async def forks(x):
    note("calls", x)
    await asyncio.sleep(0.001)
    if x == 3:
        pid = os.fork()
        if pid:
            # Others are under way on the loop meanwhile.
            await asyncio.sleep(0.05)
            print(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]), flush=True)
        elif how == "exits":
            sys.exit(7)
        elif how == "raises":
            raise ValueError("in the copy")
        elif how == "waits":
            await asyncio.sleep(0)
    note("ends", x)
    return x

print(numbers.iter().then(forks).run())
"""


@pytest.mark.parametrize(
    ("how", "code", "said"),
    [("returns", 0, ""), ("exits", 7, ""), ("raises", 1, "ValueError: in the copy"), ("waits", 1, "cannot await any")],
)
def test_the_copy_of_a_coroutine_that_forks_does_not_answer(
    how: str, code: int, said: str, tmp_path: Path, launch: Launch
) -> None:
    out, errors = launch(ON_A_LOOP, how).communicate(timeout=40)
    assert out == f"{code}\n{list(range(20))}\n"
    assert said in errors
    assert errors.count("Error: ") == (1 if said else 0)
    # Neither is anything called twice, nor does another coroutine go on in the copy.
    assert sorted(map(int, (tmp_path / "calls").read_text().split())) == list(range(20))
    twice = [3] if how == "returns" else []
    assert sorted(map(int, (tmp_path / "ends").read_text().split())) == sorted([*range(20), *twice])


def speaks(x: int, folder: str) -> int:
    """The copy and the worker log at the same time, each more than a socket takes."""
    pid = os.fork()
    if pid == 0:
        number = os.open(Path(folder, "said"), os.O_WRONLY | os.O_CREAT)
        os.dup2(number, 2)
        sys.stderr = os.fdopen(2, "w")
        warnings.warn("warned by the copy", stacklevel=1)
    for line in range(300):
        logging.getLogger("forking").warning("%d %s", line, "." * 2000)
    if pid == 0:
        os._exit(0)
    os.waitpid(pid, 0)
    return x


@pytest.mark.parametrize("method", METHODS)
def test_records_of_a_copy_go_to_its_own_standard_error(
    method: StartMethod, tmp_path: Path, caplog: pytest.LogCaptureFixture, nothing_left: None
) -> None:
    with warnings.catch_warnings():
        # As an error it would end the copy before it says more.
        warnings.simplefilter("always")
        with caplog.at_level(logging.WARNING):
            assert task(speaks).map(x=[4], folder=[str(tmp_path)]).run(workers=1, start_method=method) == [4]
    assert len([record for record in caplog.records if record.name == "forking"]) == 300
    said = (tmp_path / "said").read_text()
    assert "UserWarning: warned by the copy" in said
    assert sum(line.endswith("." * 2000) for line in said.splitlines()) == 300


def pooled(x: int) -> list[int]:
    with multiprocessing.get_context("fork").Pool(2) as pool:
        return pool.map(abs, [-x, x])


@pytest.mark.parametrize("method", METHODS)
def test_a_task_may_have_a_pool_of_its_own(method: StartMethod, nothing_left: None) -> None:
    with Processes(workers=1, start_method=method) as pool:
        for _ in range(2):
            assert count.iter(n=3).then(task(pooled)).run(runtime=pool) == [[0, 0], [1, 1], [2, 2]]


LINGERING = """
import os, sys, time
from pathlib import Path
from daglite import task

def lingers(x):
    if os.fork() == 0:
        Path("copy").write_text(str(os.getpid()))
        time.sleep(600)
        os._exit(0)
    while not Path("copy").exists():
        time.sleep(0.01)
    os._exit(9)

try:
    task(lingers).map(x=[1]).run(workers=1, start_method=sys.argv[1], worker_retries=0)
except Exception as error:
    print(error)
finally:
    os.kill(int(Path("copy").read_text()), 9)
"""


@pytest.mark.parametrize("method", METHODS)
def test_the_death_of_a_worker_is_seen_although_a_copy_of_it_lives(method: str, launch: Launch) -> None:
    out, errors = launch(LINGERING, method).communicate(timeout=40)
    assert (out, errors) == ("the worker ended (exit code 9) while it ran task 'lingers' on item 0; started once\n", "")
