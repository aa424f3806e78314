"""Async tasks on threads: many at once on one event loop, with retries, time limits, filters and saves."""

from __future__ import annotations

import asyncio
import contextvars
import logging
import os
import threading
from collections.abc import AsyncIterator
from typing import Any

import pytest

from daglite import compile, task
from daglite.exceptions import TaskFailedError, TaskTimeoutError, failure_of
from daglite.observe import Report
from tests.samples import Memory, rows

pytestmark = pytest.mark.timeout(60)


@task(on="threads", workers=6)
async def doubled(x: int) -> int:
    await asyncio.sleep(0)
    return 2 * x


@task(on="threads", workers=6)
async def even(x: int) -> bool:
    await asyncio.sleep(0)
    return x % 4 == 0


@pytest.mark.parametrize("window", [None, 1, 4])
def test_results_come_in_order(window: int | None, nothing_left: None) -> None:
    plan = compile(rows.iter(n=200).then(doubled).filter(even).then(doubled), max_in_flight=window)
    assert plan.run(runtime="processes", workers=1) == [8 * x for x in range(100)]
    assert plan.run(runtime="threads", workers=2) == [8 * x for x in range(100)]
    assert plan.run(runtime="inline") == [8 * x for x in range(100)]


def test_calls_are_under_way_together_on_one_thread() -> None:
    now, most, threads = 0, 0, set()

    @task(on="threads", workers=7)
    async def counted(x: int) -> int:
        nonlocal now, most
        threads.add((os.getpid(), threading.get_ident()))
        now += 1
        most = max(most, now)
        await asyncio.sleep(0.003)
        now -= 1
        return x

    assert rows.iter(n=100).then(counted).run(runtime="processes", workers=1) == list(range(100))
    assert most == 7
    assert len(threads) == 1
    assert threads.isdisjoint({(os.getpid(), threading.get_ident())})


def test_single_calls_are_under_way_together() -> None:
    inside = 0

    @task(on="threads", workers=2)
    async def meets(x: int) -> int:
        nonlocal inside
        inside += 1
        for _ in range(10_000):
            if inside == 2:
                return x
            await asyncio.sleep(0.001)
        raise AssertionError("alone")

    @task
    def both(a: Any, b: Any) -> int:
        return int(a + b)

    assert both(a=meets(1), b=meets(2)).run(runtime="threads", workers=1) == 3


def test_runs_inside_a_running_loop() -> None:
    async def outer() -> list[int]:
        return rows.iter(n=5).then(doubled).run(runtime="threads")

    assert asyncio.run(outer()) == [0, 2, 4, 6, 8]


def test_async_generator_as_a_step_gives_its_list() -> None:
    @task(on="threads", workers=3)
    async def parts(x: int) -> AsyncIterator[int]:
        for i in range(x):
            await asyncio.sleep(0)
            yield i

    found: list[Any] = rows.iter(n=4).then(parts).run(runtime="threads")
    assert found == [[], [0], [0, 1], [0, 1, 2]]


def test_saves_see_each_result() -> None:
    store: Any = Memory()
    stream = rows.iter(n=6).then(doubled).save("a_{iteration_index}", save_store=store).filter(even).then(doubled)
    assert stream.run(runtime="threads") == [0, 8, 16]
    assert store.saved == [(f"a_{i}", 2 * i) for i in range(6)]


def test_context_variables_are_those_of_the_caller() -> None:
    word: contextvars.ContextVar[str] = contextvars.ContextVar("word")

    @task(on="threads", workers=2)
    async def said(x: int) -> str:
        return word.get()

    word.set("hello")
    assert rows.iter(n=2).then(said).run(runtime="threads") == ["hello", "hello"]


def test_records_tell_the_task_and_the_item(caplog: pytest.LogCaptureFixture) -> None:
    @task(on="threads", workers=3, name="logs")
    async def logs(x: int) -> int:
        await asyncio.sleep(0.01 if x == 0 else 0)
        logging.getLogger("mine").warning("item %d", x)
        return x

    with caplog.at_level(logging.WARNING):
        rows.iter(n=3).then(logs).run(runtime="threads")
    told = {(record.getMessage(), record.daglite_task, record.daglite_index) for record in caplog.records}  # type: ignore[attr-defined]  # set by daglite
    assert told == {(f"item {i}", "logs", i) for i in range(3)}


# What goes wrong.


def test_failing_item_is_tried_again_and_named() -> None:
    tries: list[int] = []

    @task(on="threads", workers=3, retries=2)
    async def fails(x: int) -> int:
        await asyncio.sleep(0)
        if x == 3:
            tries.append(x)
            raise ValueError("three")
        return x

    with pytest.raises(ValueError, match="three") as caught:
        rows.iter(n=9).then(fails).run(runtime="threads")
    failure = failure_of(caught.value)
    assert failure is not None
    assert (failure.task, failure.index, failure.attempt) == (fails.name, 3, 3)
    assert len(tries) == 3


def test_call_over_its_limit_is_cancelled() -> None:
    ended: list[str] = []

    @task(on="threads", workers=3, timeout=0.1, retries=3)
    async def hangs(x: int) -> int:
        try:
            await asyncio.sleep(60 if x == 1 else 0)
        except asyncio.CancelledError:
            ended.append("cancelled")
            raise
        return x

    with pytest.raises(TaskTimeoutError, match=r"longer than its `timeout` of 0.1 s; it was cancelled") as caught:
        rows.iter(n=3).then(hangs).run(runtime="threads")
    failure = failure_of(caught.value)
    assert failure is not None
    assert failure.index == 1
    # Each attempt has its own limit.
    assert (ended, failure.attempt) == (["cancelled"] * 4, 4)


def test_timeout_error_of_the_task_itself_is_its_own() -> None:
    @task(on="threads", timeout=30)
    async def raises(x: int) -> int:
        raise TimeoutError("of the network")

    with pytest.raises(TimeoutError, match="of the network") as caught:
        rows.iter(n=1).then(raises).run(runtime="threads")
    assert not isinstance(caught.value, TaskTimeoutError)


@pytest.mark.parametrize("error", [SystemExit(3), KeyboardInterrupt(), asyncio.CancelledError(), GeneratorExit()])
def test_exits_of_a_task_are_errors_of_the_run(error: BaseException, nothing_left: None) -> None:
    @task(on="threads", workers=2)
    async def leaves(x: int) -> int:
        if x == 2:
            raise error
        return x

    with pytest.raises(TaskFailedError, match=type(error).__name__):
        rows.iter(n=5).then(leaves).run(runtime="processes", workers=1)
    assert rows.iter(n=2).then(leaves).run(runtime="processes", workers=1) == [0, 1]


def test_run_that_ends_early_cancels_what_is_under_way(nothing_left: None) -> None:
    begun, ended = threading.Event(), threading.Event()

    @task(on="threads", workers=4)
    async def waits(x: int) -> int:
        if x == 0:
            while not begun.is_set():
                await asyncio.sleep(0.001)
            return x
        begun.set()
        try:
            await asyncio.sleep(3600)
        finally:
            ended.set()
        return x

    with compile(rows.iter(n=4).then(waits)).stream(runtime="threads") as items:
        assert next(items) == 0
    # The coroutines are cancelled, not waited for: they would sleep for an hour.
    assert ended.wait(60)


def test_report_knows_what_async_tasks_did() -> None:
    report = Report()
    rows.iter(n=20).then(doubled).run(runtime="threads", observers=[report])
    step = report.steps[1]
    assert (step.task, step.items_in, step.items_out) == (doubled.name, 20, 20)
