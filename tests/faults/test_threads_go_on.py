"""Threads cannot be stopped: what is told, who is waited for and for how long, and what is left behind."""

from __future__ import annotations

import asyncio
import gc
import logging
import os
import signal
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from daglite import compile, task
from daglite.runtime import Threads
from tests.faults.scripts import Launch, wait_for
from tests.tasks import count, double

pytestmark = pytest.mark.timeout(60)
ENDLESS = 10**9


@task
def thread_of(_: int) -> int:
    return threading.get_native_id()


def own_threads() -> list[threading.Thread]:
    return [thread for thread in threading.enumerate() if thread.name == "daglite-worker"]


@pytest.fixture
def stuck() -> Iterator[threading.Event]:
    """Calls wait for this; they are let go at the end, and their threads are gone then."""
    event = threading.Event()
    yield event
    event.set()
    for thread in own_threads():
        thread.join(10)
    assert own_threads() == []


def test_a_call_over_its_limit_is_reported_while_it_goes_on(caplog: pytest.LogCaptureFixture) -> None:
    told = threading.Event()

    class Telling(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            told.set()

    def long(x: int) -> int:
        # Ends when the report has been made, so it was made while the call was going on.
        assert x != 1 or told.wait(20)
        return x

    handler = Telling()
    logging.getLogger("daglite").addHandler(handler)
    try:
        assert count.iter(n=3).then(task(long, timeout=0.05)).run(runtime="threads", workers=2) == [0, 1, 2]
    finally:
        logging.getLogger("daglite").removeHandler(handler)
    (message,) = [record.getMessage() for record in caplog.records]
    assert message.startswith("task 'long' is over its `timeout` of 0.05 s on item 1; a thread cannot be stopped")


def test_single_calls_and_generators_over_their_limit_are_reported(caplog: pytest.LogCaptureFixture) -> None:
    @task(timeout=0.02)
    def items() -> Iterator[int]:
        yield 1
        time.sleep(0.1)

    assert task(lambda x: time.sleep(0.1), name="call", timeout=0.02)(x=1).run(runtime="threads") is None
    assert items().run(runtime="threads") == [1]
    messages = [record.getMessage() for record in caplog.records]
    assert [text.partition(";")[0] for text in messages] == [
        "task 'call' is over its `timeout` of 0.02 s",
        "task 'items' is over its `timeout` of 0.02 s",
    ]


def test_calls_within_their_limit_are_not_reported(caplog: pytest.LogCaptureFixture) -> None:
    limited = task(lambda x: x, name="quick", timeout=30)
    assert count.iter(n=300).then(limited).run(runtime="threads", workers=4) == list(range(300))
    assert caplog.records == []


def test_an_error_does_not_wait_for_a_call_that_goes_on(
    stuck: threading.Event, caplog: pytest.LogCaptureFixture
) -> None:
    waiting = threading.Event()

    def work(x: int) -> int:
        if x == 5:
            waiting.set()
            stuck.wait(30)
        elif x == 0:
            waiting.wait(30)
            raise LookupError("the first")
        return x

    with pytest.raises(LookupError, match="the first"):
        compile(count.iter(n=ENDLESS).then(task(work)), max_batch_size=1).run(runtime="threads", workers=2)
    assert not stuck.is_set()
    assert len(own_threads()) == 1
    assert [record.getMessage().partition(";")[0] for record in caplog.records] == [
        "the run is over, but a call still goes on in 1 of its threads"
    ]


def test_threads_stop_after_the_item_they_are_at(stuck: threading.Event) -> None:
    """Also in the middle of a batch that holds many more."""
    begun: list[int] = []
    waiting = threading.Event()

    def work(x: int) -> int:
        begun.append(x)
        if x == 20_000:
            waiting.set()
            stuck.wait(30)
        return x

    async def main() -> None:
        plan = compile(count.iter(n=ENDLESS).then(task(work)).reduce(task(lambda _, x: x, name="last"), initial=0))
        running = asyncio.ensure_future(plan.run_async(runtime="threads", workers=1))
        await asyncio.to_thread(waiting.wait, 30)
        running.cancel()
        with pytest.raises(asyncio.CancelledError, match=r"^$"):
            await running

    asyncio.run(main())
    stuck.set()
    for thread in own_threads():
        thread.join(10)
    assert begun[-1] == 20_000


def test_a_generator_that_nobody_waits_for_is_ended(stuck: threading.Event) -> None:
    pulled = [0]

    @task
    def endless() -> Iterator[int]:
        for i in range(ENDLESS):
            pulled[0] = i
            yield i

    def fails(x: int) -> int:
        while pulled[0] < 1000:
            time.sleep(0.001)
        raise LookupError("the call's")

    both = task(lambda a, b: None, name="both")(a=endless(), b=task(fails)(x=1))
    with pytest.raises(LookupError, match="the call's"):
        both.run(runtime="threads", workers=2)


def test_kept_threads_serve_many_runs_and_busy_ones_are_replaced(stuck: threading.Event, nothing_left: None) -> None:
    with Threads(workers=2) as pool:
        seen = {one for _ in range(5) for one in count.iter(n=30).then(thread_of).run(runtime=pool)}
        assert len(seen) <= 2
        work = task(lambda x: stuck.wait(30) if x == 7 else x, name="work")
        plan = compile(count.iter(n=ENDLESS).then(work), max_batch_size=1)
        with plan.stream(runtime=pool) as items:
            assert [next(items) for _ in range(7)] == list(range(7))
        # One of them is stuck still; it is not of the crew any more.
        assert count.iter(n=20).then(double).run(runtime=pool) == [2 * i for i in range(20)]
        stuck.set()
    assert repr(pool) == "Threads(workers=2)"


def test_runs_on_kept_threads_leave_nothing_in_them(nothing_left: None) -> None:
    class Heavy:
        alive = 0

        def __init__(self) -> None:
            Heavy.alive += 1

        def __del__(self) -> None:
            Heavy.alive -= 1

    with Threads(workers=3) as pool:
        for _ in range(3):
            fixed = Heavy()
            heavy = task(lambda x, fixed: Heavy(), name="heavy").partial(fixed=fixed)
            assert len(count.iter(n=50).then(heavy).run(runtime=pool)) == 50
            del heavy, fixed
        gc.collect()
        assert Heavy.alive == 0


def test_a_stream_that_is_collected_on_one_of_its_own_threads_ends(nothing_left: None) -> None:
    """The collector runs wherever it likes, and a thread cannot wait for itself."""
    started, go, done = threading.Event(), threading.Event(), threading.Event()

    def collect(x: int) -> int:
        if x == 12:
            started.set()
            go.wait(30)
            gc.collect()
            done.set()
        return x

    gc.disable()
    try:
        plan = compile(count.iter(n=ENDLESS).then(task(collect)), max_batch_size=1)
        items = plan.stream(runtime="threads", workers=2, ordered=False)
        while not started.is_set():  # the other thread goes on meanwhile
            next(items)
        cycle: list[object] = [items]
        cycle.append(cycle)
        del items, cycle
        go.set()
        assert done.wait(30)
    finally:
        gc.enable()


def test_a_copy_of_the_process_that_a_task_forks_ends_with_its_item(tmp_path: Path, nothing_left: None) -> None:
    """It would wait for ever for work from a coordinator that is not there."""

    def fork(x: int) -> int:
        if x == 700:
            pid = os.fork()
            if pid == 0:
                (tmp_path / "copy").touch()
            else:
                assert os.waitpid(pid, 0)[1] == 0
        elif (tmp_path / "copy").exists() and os.getpid() != home:
            (tmp_path / "went on").touch()
        return x

    home = os.getpid()
    assert count.iter(n=1000).then(task(fork)).run(runtime="threads", workers=1) == list(range(1000))
    assert [path.name for path in tmp_path.iterdir()] == ["copy"]


CTRL_C = """
import time
from pathlib import Path
from daglite import task

@task
def numbers():
    try:
        yield from range(10**9)
    finally:
        Path("closed").write_text("closed")

@task
def work(x):
    if x == 20:
        Path("ready").write_text("ready")
    time.sleep(600 if x >= 20 else 0)
    return x

numbers.iter().then(work).run(runtime="threads", workers=8)
"""


def test_ctrl_c_ends_a_run_whose_calls_go_on(tmp_path: Path, launch: Launch) -> None:
    process = launch(CTRL_C)
    wait_for(tmp_path / "ready")
    time.sleep(0.1)
    os.killpg(process.pid, signal.SIGINT)
    _, errors = process.communicate(timeout=20)
    assert process.returncode == -signal.SIGINT
    assert errors.count("Traceback") == 1
    assert "KeyboardInterrupt" in errors
    assert "a call still goes on in 8 of its threads" in errors
    assert (tmp_path / "closed").exists()
