"""`runtime="auto"`: a run begins in this process and moves. What it moves with, and that nobody can tell when."""

from __future__ import annotations

import asyncio
import copy
import logging
import os
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

import daglite
from daglite import task
from daglite.exceptions import TaskTimeoutError, TransferError, failure_of
from daglite.runtime import Processes
from daglite.runtime.engines.config import Auto
from daglite.runtime.engines.cost_model import Answer
from daglite.runtime.engines.processes.pool import ProcessEngine
from tests.engines.local.choosing import at, moving_at
from tests.samples import Memory
from tests.tasks import add, count, double

HERE = os.getpid()
MOVES = [(None, "processes"), *((moves, place) for moves in (1, 2, 5, 40) for place in ("processes", "threads"))]
moving = pytest.mark.parametrize(("moves", "place"), MOVES)


@task
def where(_: int) -> tuple[int, int]:
    return os.getpid(), threading.get_ident()


@task
def one_buffer(n: int) -> Iterator[list[int]]:
    buffer = [0]
    for number in range(n):
        buffer[0] = number
        yield buffer
    buffer[0] = -1


_RESULT = [0]


@task
def in_one_list(x: int) -> list[int]:
    _RESULT[0] = x
    return _RESULT


@task
def appended(total: list[list[int]], item: list[int]) -> list[list[int]]:
    total.append(item)
    return total


@moving
def test_items_and_results_are_what_they_were(moves: int | None, place: Answer) -> None:
    """A generator that fills one buffer again and again, a task that returns one: as on processes."""
    runtime = at(moves, place)
    assert one_buffer.iter(n=30).then(task(lambda x: x)).run(runtime=runtime) == [[n] for n in range(30)]
    kept = count.iter(n=30).then(in_one_list).reduce(appended, initial=[])
    assert kept.run(runtime=runtime) == [[n] for n in range(30)]
    spoiled = one_buffer.iter(n=30).then(task(lambda x: x.append(1) or len(x)))
    assert spoiled.run(runtime=runtime) == [2] * 30


@moving
def test_the_rest_goes_where_it_was_sent(moves: int | None, place: Answer, nothing_left: None) -> None:
    found = count.iter(n=60).then(where).run(runtime=at(moves, place))
    before = 60 if moves is None else moves
    me = (HERE, threading.get_ident())
    assert found[:before] == [me] * before
    assert me not in found[before:]
    assert {pid == HERE for pid, _ in found[before:]} <= {place == "threads"}


@moving
@pytest.mark.parametrize("ordered", [True, False])
def test_the_fold_goes_on_with_its_value(moves: int | None, place: Answer, ordered: bool) -> None:
    """`initial` is copied once, the source is opened and closed once, and every item is saved once, in order."""
    copied, closed, store = list[int](), list[int](), Memory()

    class Total:
        def __init__(self) -> None:
            self.items: list[int] = []

        def __deepcopy__(self, memo: object) -> Total:
            copied.append(1)
            return copy.copy(self)

    @task
    def source() -> Iterator[int]:
        try:
            yield from range(50)
        finally:
            closed.append(1)

    @task
    def gather(total: Total, item: int) -> Total:
        total.items = [*total.items, item]
        return total

    stream = source.iter().save("s{iteration_index}", save_store=store).then(double)
    stream = stream.save("d{iteration_index}", save_store=store)
    total = stream.reduce(gather, initial=Total(), ordered=ordered).run(runtime=at(moves, place))
    assert (sorted(total.items), len(copied), len(closed)) == ([2 * n for n in range(50)], 1, 1)
    assert not ordered or total.items == sorted(total.items)
    assert [pair for pair in store.saved if pair[0][0] == "s"] == [(f"s{n}", n) for n in range(50)]
    results = [pair for pair in store.saved if pair[0][0] == "d"]
    assert (results if ordered else sorted(results, key=str)) == (
        [(f"d{n}", 2 * n) for n in range(50)] if ordered else sorted([(f"d{n}", 2 * n) for n in range(50)], key=str)
    )


@moving
@pytest.mark.parametrize("bad", [0, 1, 4, 5, 39, 49])
def test_an_error_names_the_item_on_both_sides_of_the_move(
    moves: int | None, place: Answer, bad: int, nothing_left: None
) -> None:
    closed = []

    @task
    def source() -> Iterator[int]:
        try:
            yield from range(50)
        finally:
            closed.append(True)

    with pytest.raises(ZeroDivisionError, match="division") as caught:
        source.iter().then(task(lambda x: 1 // (x - bad), name="divide")).run(runtime=at(moves, place))
    facts = failure_of(caught.value)
    assert facts is not None
    assert (facts.task, facts.step, facts.index, facts.item, facts.attempt) == ("divide", 1, bad, str(bad), 1)
    assert (facts.worker is None) is (moves is None or bad < moves)
    assert closed == [True]


@pytest.mark.parametrize("moves", [None, 2, 10])
def test_what_cannot_cross_is_named_before_and_after_the_move(moves: int | None) -> None:
    """Whether a value can be pickled does not depend on when the stream moves."""

    @task
    def locks() -> Iterator[object]:
        for number in range(20):
            yield threading.Lock() if number == 5 else number

    with pytest.raises(TransferError, match=r"item 5 of task 'locks' cannot be sent to a worker"):
        locks.iter().then(task(lambda x: 1)).run(runtime=at(moves))
    lock = task(lambda x: threading.Lock() if x == 5 else x, name="lock")
    with pytest.raises(TransferError, match=r"the result of task 'lock' cannot be sent back") as caught:
        count.iter(n=20).then(lock).run(runtime=at(moves))
    facts = failure_of(caught.value)
    assert facts is not None
    assert (facts.task, facts.step, facts.index, facts.item) == ("lock", 1, 5, "5")
    with pytest.raises(TransferError, match=r"the result of task 'lock' cannot be sent back"):
        lock(x=5).run(runtime="auto")


def test_a_task_that_cannot_travel_stays(caplog: pytest.LogCaptureFixture, nothing_left: None) -> None:
    """It has worked until now: that it cannot be pickled is no reason to fail in the middle."""
    lock = threading.Lock()
    caplog.set_level(logging.DEBUG, "daglite")

    @task
    def locked(x: int) -> int:
        with lock:
            return x * (os.getpid() == HERE)

    assert count.iter(n=30).then(locked).run(runtime=at(3)) == list(range(30))
    assert "cannot go on with processes" in caplog.text
    assert count.iter(n=30).then(locked).run(runtime=at(3, "threads")) == list(range(30))


def test_the_log_says_where_a_stream_goes_on(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG, "daglite")
    count.iter(n=30).then(double).run(runtime=at(3))
    (line,) = [record.getMessage() for record in caplog.records if "goes on" in record.getMessage()]
    assert line.startswith("stream of 'count': 3 items, ")
    assert line.endswith("goes on with processes")


@moving
def test_a_streamed_plan_hands_out_every_item_once(moves: int | None, place: Answer, nothing_left: None) -> None:
    asked = []

    @task
    def source() -> Iterator[int]:
        for number in range(60):
            asked.append(number)
            yield number

    plan = daglite.compile(source.iter().then(double), max_in_flight=4)
    with plan.stream(runtime=at(moves, place)) as items:
        for position, item in enumerate(items):
            assert item == 2 * position
            assert len(asked) <= position + 1 + 4
    with plan.stream(runtime=at(moves, place)) as items:
        assert [next(items) for _ in range(10)] == [2 * n for n in range(10)]


@pytest.mark.parametrize("moves", [None, 1, 30])
def test_cancelling_ends_a_run_that_chooses(moves: int | None, nothing_left: None) -> None:
    begun, closed = threading.Event(), []

    @task
    def endless() -> Iterator[int]:
        try:
            for number in range(10**9):
                if number == 50:
                    begun.set()
                yield number
        finally:
            closed.append(True)

    async def main() -> None:
        running = asyncio.ensure_future(endless.iter().then(double).reduce(add, initial=0).run_async(runtime=at(moves)))
        await asyncio.to_thread(begun.wait, 20)
        running.cancel()
        (outcome,) = await asyncio.gather(running, return_exceptions=True)
        assert isinstance(outcome, asyncio.CancelledError)

    asyncio.run(main())
    assert closed == [True]


def test_trivial_work_starts_no_worker(monkeypatch: pytest.MonkeyPatch) -> None:
    """By its own measurements this time."""
    monkeypatch.setattr(ProcessEngine, "__init__", None)
    assert count.iter(n=30_000).then(double).reduce(add, initial=0).run(runtime="auto") == 899_970_000
    assert double.map(x=list(range(100))).run(runtime="auto") == list(range(0, 200, 2))
    assert double(x=4).run(runtime="auto") == 8


def test_waiting_work_moves_to_threads_by_itself() -> None:
    def nap(x: int) -> tuple[int, int]:
        time.sleep(0.02)
        return where.fn(x)

    found = count.iter(n=40).then(task(nap)).run(runtime="auto", workers=8)
    assert {pid for pid, _ in found} == {HERE}
    assert len({thread for _, thread in found}) > 2


def test_two_streams_of_a_run_may_go_different_ways() -> None:
    """One to threads, the other, which reads its value, to processes."""
    choices = iter([moving_at(1, "threads"), moving_at(1, "processes")])
    runtime = Auto(2, choose=lambda places: next(choices)(places))
    first = count.iter(n=20).then(where).join(task(lambda found: {pid for pid, _ in found}))
    second = count.iter(n=20).then(task(lambda x, known: (os.getpid(), known)), known=first)
    found = second.run(runtime=runtime)
    assert {HERE} == found[0][1]
    assert {pid for pid, _ in found[1:]}.isdisjoint({HERE})


# Single calls.


def test_a_call_that_is_alone_runs_here_and_others_side_by_side(tmp_path: Path, nothing_left: None) -> None:
    def meet(me: str, other: str) -> int:
        (tmp_path / me).touch()
        until = time.monotonic() + 20
        while not (tmp_path / other).exists():
            assert time.monotonic() < until, "nobody came"
            time.sleep(0.001)
        return os.getpid()

    pid = task(lambda _=0: os.getpid(), name="pid")
    assert pid().run(runtime="auto") == HERE
    pair = task(lambda a, b, c: [a, b, c])
    together = pair(a=task(meet)(me="a", other="b"), b=task(meet)(me="b", other="a"), c=5)
    found = together.run(runtime="auto", workers=2)
    assert HERE not in found[:2]
    assert len(set(found[:2])) == 2


def test_a_value_of_a_call_here_is_not_the_object_itself() -> None:
    kept: list[int] = []
    assert task(lambda: kept, name="give")().run(runtime="auto") is not kept


def test_a_time_limit_is_kept() -> None:
    """Only workers can keep it, so such a task begins there."""
    pid = task(lambda x: os.getpid(), name="pid", timeout=20)
    assert HERE not in count.iter(n=3).then(pid).run(runtime=at(None))
    assert pid(x=1).run(runtime="auto") != HERE
    long = task(lambda x: time.sleep(60), name="long", timeout=0.1)
    with pytest.raises(TaskTimeoutError, match="'long'"):
        count.iter(n=3).then(long).run(runtime="auto")


def test_a_stream_beside_calls_on_workers_goes_to_workers(tmp_path: Path, nothing_left: None) -> None:
    """Who works here could not look after the calls: their errors, and what waits for them."""

    def slow(x: int) -> int:
        time.sleep(0.2)
        return x

    both = task(lambda a, b, items: (a, b, {pid for pid, _ in items}))
    items = count.iter(n=20).then(where)
    a, b, pids = both(a=task(slow)(x=1), b=task(slow)(x=2), items=items).run(runtime=at(None))
    assert (a, b) == (1, 2)
    assert HERE not in pids


def test_a_generator_called_directly_runs_on_a_worker() -> None:
    @task
    def pids(n: int) -> Iterator[int]:
        for _ in range(n):
            yield os.getpid()

    assert HERE not in pids(n=3).run(runtime="auto")
    assert one_buffer(n=3).run(runtime="auto") == [[0], [1], [2]]


def test_a_run_inside_a_worker_stays_there() -> None:
    inner = count.iter(n=50).then(where)
    outer = task(lambda x: (os.getpid(), {pid for pid, _ in inner.run(runtime="auto")}))
    assert all({mine} == theirs != {HERE} for mine, theirs in outer.map(x=[1, 2]).run(runtime=Processes(workers=2)))
