"""Cancelling `run_async`, wherever the run is at that moment."""

from __future__ import annotations

import asyncio
import os
import re
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from daglite import compile, task
from daglite.exceptions import TaskFailedError
from tests.faults.scripts import Launch, gone_within, wait_for
from tests.tasks import double

pytestmark = pytest.mark.timeout(60)


STAYS_AWAY = """
import asyncio, logging, os, sys, threading, time
from pathlib import Path
from daglite import compile, task

logging.basicConfig(format="%(message)s")
runtime, where, folded = sys.argv[1], sys.argv[2], []

def stay():
    Path("stuck").write_text("stuck")
    time.sleep(600)

@task
def numbers():
    yield from range(3)
    if where == "source":
        stay()
    yield from range(3)

@task
def work(x):
    Path(f"worker{x}").write_text(str(os.getpid()))
    if x == 2 and runtime in ("processes", "threads"):
        time.sleep(600)
    return x

@task
def last(_, x):
    folded.append(x)
    if where == "fold":
        stay()
    return x

async def main():
    plan = compile(numbers.iter().then(work).reduce(last, initial=0), max_batch_size=1)
    running = asyncio.ensure_future(plan.run_async(runtime=runtime, workers=2))
    while not Path("stuck").exists():
        await asyncio.sleep(0.01)
    began = time.monotonic()
    running.cancel()
    try:
        await running
    except asyncio.CancelledError:
        print("cancelled", time.monotonic() - began < 20, flush=True)
    count = len(folded)
    await asyncio.sleep(0.2)
    print(len(folded) == count, flush=True)

asyncio.run(main())
"""


@pytest.mark.parametrize("where", ["source", "fold"])
@pytest.mark.parametrize("runtime", ["processes", "threads", "inline", "auto"])
def test_a_cancelled_run_that_is_stuck_in_code_of_the_user_is_not_waited_for(
    runtime: str, where: str, tmp_path: Path, launch: Launch
) -> None:
    out, errors = launch(STAYS_AWAY, runtime, where).communicate(timeout=50)
    assert out == "cancelled True\nTrue\n"
    assert re.fullmatch(r"a cancelled run does not end: its source, fold.* returns\n", errors)
    assert gone_within([int(file.read_text()) for file in tmp_path.glob("worker*")], 5) == []


def test_cancelling_stops_workers_behind_a_stuck_source_at_once(
    caplog: pytest.LogCaptureFixture, tmp_path: Path, nothing_left: None
) -> None:
    back = threading.Event()

    @task
    def stuck() -> Iterator[int]:
        yield 1
        back.wait(30)
        yield 2

    def sleeps(x: int) -> int:
        (tmp_path / "sleeper").write_text(str(os.getpid()))
        time.sleep(600)
        return x

    async def main() -> None:
        running = asyncio.ensure_future(compile(stuck.iter().then(task(sleeps))).run_async(workers=1))
        pid = int(await asyncio.to_thread(wait_for, tmp_path / "sleeper"))
        running.cancel()
        assert await asyncio.to_thread(gone_within, [pid], 1.5) == []
        back.set()
        with pytest.raises(asyncio.CancelledError, match=r"^$"):
            await running

    asyncio.run(main())
    assert caplog.records == []


def test_an_error_while_closing_does_not_hide_that_a_run_was_cancelled() -> None:
    begun = threading.Event()

    @task
    def unruly() -> Iterator[int]:
        try:
            while True:
                yield 1
                begun.set()
        finally:
            raise LookupError("while closing")

    async def main() -> None:
        running = asyncio.ensure_future(unruly.iter().then(double).count().run_async(runtime="inline"))
        await asyncio.to_thread(begun.wait, 30)
        running.cancel()
        with pytest.raises(asyncio.CancelledError, match=r"^$"):
            await running

    asyncio.run(main())


def test_run_async_raises_what_the_run_raises() -> None:
    @task
    def ends(total: int, x: int) -> int:
        raise StopIteration(x)

    async def main() -> None:
        with pytest.raises(ZeroDivisionError, match=r"by zero"):
            await double.map(x=[1]).then(task(lambda x: x // 0)).run_async(runtime="inline")
        with pytest.raises(TaskFailedError, match=r"^task 'ends' raised StopIteration: 2\n"):
            await double.map(x=[1]).reduce(ends, initial=0).run_async(runtime="inline")

    asyncio.run(main())
