"""Where tasks run when they say so: on threads, on processes, in the coordinator; each place streams into the next."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from daglite import compile, task
from daglite.exceptions import TaskTimeoutError, failure_of
from daglite.options import RuntimeName
from daglite.runtime import Processes, Threads
from tests.samples import Memory, double, odd, rows

pytestmark = pytest.mark.timeout(60)
WINDOWS = pytest.mark.parametrize("window", [None, 1, 2, 8])


class Where(NamedTuple):
    """What a task saw: its process and its thread."""

    pid: int
    thread: int


def look() -> Where:
    return Where(os.getpid(), threading.get_ident())


@task
def noted(seen: Any) -> list[Where]:
    return [*seen, look()] if isinstance(seen, list) else [look()]


@task
def same(x: int) -> int:
    return x


@task
def more(x: int) -> bool:
    return x > 1


on_threads = noted.with_options(on="threads", workers=3)
on_processes = noted.with_options(on="processes", workers=2)
in_coordinator = noted.with_options(on="coordinator")


def test_each_task_runs_where_it_says(runtime: RuntimeName) -> None:
    stream = rows.iter(n=60).then(on_threads).then(on_processes).then(in_coordinator)
    seen = stream.run(runtime=runtime, workers=2)
    here = look()
    threads, pids = {each[0].thread for each in seen}, {each[1].pid for each in seen}
    assert {each[0].pid for each in seen} == {os.getpid()}
    assert {each[2] for each in seen} <= {here} or runtime != "inline"
    assert {each[2].pid for each in seen} == {os.getpid()}
    if runtime == "inline":
        assert (threads, pids) == ({here.thread}, {here.pid})
    else:
        assert here.thread not in threads
        assert here.pid not in pids
        assert 1 <= len(threads) <= 3
        assert 1 <= len(pids) <= 2


@pytest.mark.parametrize("optimize", [True, False])
def test_single_calls_run_where_they_say(runtime: RuntimeName, optimize: bool) -> None:
    @task
    def both(a: Any, b: Any, c: Any) -> list[Where]:
        return [*a, *b, *c]

    calls = both.with_options(on="coordinator")(a=on_threads(0), b=on_processes(0), c=in_coordinator(0))
    threaded, forked, mine = compile(calls, optimize=optimize).run(runtime=runtime, workers=2)
    here = look()
    assert mine == here
    assert (threaded.pid, threaded.thread == here.thread) == (here.pid, runtime == "inline")
    assert (forked.pid == here.pid) is (runtime == "inline")


def test_calls_in_different_places_run_at_the_same_time(tmp_path: Path) -> None:
    """Each waits for the other, and a stream runs meanwhile."""
    mark = tmp_path / "mark"
    thread_runs = threading.Event()

    @task(on="processes", workers=1)
    def marks(x: int) -> int:
        until = time.monotonic() + 30
        while not mark.exists():
            assert time.monotonic() < until
            time.sleep(0.005)
        return x

    @task(on="threads", workers=1)
    def waits(x: int) -> int:
        thread_runs.set()
        mark.touch()
        return x

    @task(on="coordinator")
    def together(a: Any, b: Any, c: Any) -> tuple[int, int, int]:
        return a, b, sum(c)

    stream = rows.iter(n=50).then(same.with_options(on="threads"))
    assert together(a=marks(1), b=waits(2), c=stream).run(runtime="processes", workers=1) == (1, 2, 1225)
    assert thread_runs.is_set()


def test_workers_of_the_run_are_used_when_they_are_what_is_asked_for() -> None:
    stream = rows.iter(n=40).then(noted).then(noted.with_options(on="processes"))
    with Processes(workers=2) as pool:
        seen = stream.run(runtime=pool)
    assert len({where.pid for each in seen for where in each}) <= 2
    threaded = rows.iter(n=40).then(noted).then(noted.with_options(on="threads", workers=2))
    with Threads(workers=2) as crew:
        seen = threaded.run(runtime=crew)
    assert len({where.thread for each in seen for where in each}) <= 2


@WINDOWS
def test_kept_workers_serve_mixed_runs_one_after_the_other(window: int | None, nothing_left: None) -> None:
    plan = compile(rows.iter(n=30).then(noted).then(on_threads).then(noted), max_in_flight=window)
    with Processes(workers=2) as pool:
        for _ in range(3):
            assert len(plan.run(runtime=pool)) == 30
        assert len(compile(rows.iter(n=30).then(noted)).run(runtime=pool)) == 30


@pytest.mark.parametrize("window", [1, 3, 8])
def test_window_bounds_all_places_together(window: int) -> None:
    alive, peak, lock = 0, 0, threading.Lock()

    @task
    def source() -> Iterator[int]:
        nonlocal alive, peak
        for i in range(150):
            with lock:
                alive += 1
                peak = max(peak, alive)
            yield i

    @task
    def gone(count: int, x: int) -> int:
        nonlocal alive
        with lock:
            alive -= 1
        return count + 1

    stream = source.iter().then(same.with_options(on="threads", workers=4)).then(same)
    stream = stream.then(same.with_options(on="coordinator")).then(same.with_options(on="threads", workers=2))
    plan = compile(stream.reduce(gone, initial=0), max_in_flight=window)
    assert plan.run(runtime="processes", workers=2) == 150
    assert peak <= window


def test_workers_says_how_many_calls_are_under_way() -> None:
    now, most, lock = 0, 0, threading.Lock()

    @task(on="threads", workers=5)
    def counted(x: int) -> int:
        nonlocal now, most
        with lock:
            now += 1
            most = max(most, now)
        time.sleep(0.002)
        with lock:
            now -= 1
        return x

    rows.iter(n=100).then(counted).run(runtime="processes", workers=1)
    assert most == 5


# Meaning: the same in all places.


@pytest.mark.parametrize("optimize", [True, False])
def test_index_of_an_item_stays_that_of_its_source_from_place_to_place(runtime: RuntimeName, optimize: bool) -> None:
    store: Any = Memory()

    @task
    def picky(x: int) -> int:
        if x == 7:
            raise ValueError("seven")
        return x

    stream = rows.iter(n=20).filter(odd.with_options(on="processes", workers=1))
    stream = stream.then(same.with_options(on="coordinator")).save("a_{iteration_index}", save_store=store)
    stream = stream.filter(more.with_options(on="threads"))
    with pytest.raises(ValueError, match="seven") as caught:
        compile(stream.then(picky), optimize=optimize).run(runtime=runtime, workers=2)
    failure = failure_of(caught.value)
    assert failure is not None
    assert (failure.task, failure.index) == (picky.name, 7)
    assert store.saved[:4] == [("a_1", 1), ("a_3", 3), ("a_5", 5), ("a_7", 7)]


def test_error_in_the_coordinator_names_item_and_attempt(runtime: RuntimeName) -> None:
    tries = []

    @task(on="coordinator", retries=2)
    def fails(x: int) -> int:
        if x == 6:
            tries.append(x)
            raise ValueError("six")
        return x

    stream = rows.iter(n=20).then(double.with_options(on="threads")).then(fails).then(same.with_options(on="threads"))
    with pytest.raises(ValueError, match="six") as caught:
        stream.run(runtime=runtime, workers=2)
    failure = failure_of(caught.value)
    assert failure is not None
    assert (failure.index, failure.attempt, failure.worker) == (3, 3, None)
    assert len(tries) == 3


def test_take_behind_a_filter_in_the_coordinator_ends_everything(runtime: RuntimeName) -> None:
    closed = []

    @task
    def endless() -> Iterator[int]:
        try:
            n = 0
            while True:
                yield n
                n += 1
        finally:
            closed.append(True)

    stream = (
        endless.iter()
        .then(same.with_options(on="threads", workers=2))
        .filter(odd.with_options(on="coordinator"))
        .take(5)
    )
    assert stream.run(runtime=runtime, workers=2) == [1, 3, 5, 7, 9]
    assert closed == [True]


def test_time_limit_is_kept_by_processes_beside_threads() -> None:
    @task(on="processes", workers=1, timeout=0.2)
    def hangs(x: int) -> int:
        time.sleep(60)
        return x

    stream = rows.iter(n=5).then(same.with_options(on="threads", workers=2)).then(hangs)
    with pytest.raises(TaskTimeoutError, match="longer than its `timeout`"):
        stream.run(runtime="threads", workers=2)


def test_run_inside_a_worker_starts_no_processes() -> None:
    @task
    def nested(x: int) -> int:
        seen = rows.iter(n=4).then(on_processes).run(runtime="threads", workers=2)
        return len({where.pid for each in seen for where in each} | {os.getpid()})

    assert rows.iter(n=2).then(nested).run(runtime="processes", workers=1) == [1, 1]


@pytest.mark.parametrize("window", [1, 2, 3])
def test_parts_of_an_item_always_find_a_place(window: int) -> None:
    """Whoever is in front has workers of its own and takes what is free; one place is kept for the next part."""

    @task
    def many(x: int) -> tuple[int, ...]:
        return (x,) * 7

    threads = {"on": "threads", "workers": 4}
    stream: Any = rows.iter(n=40).then(many.with_options(**threads)).unbatch().then(many.with_options(on="processes"))  # type: ignore[arg-type]  # options of a dict
    stream = stream.unbatch().then(same.with_options(on="threads", workers=3))
    plan = compile(stream.reduce(task(lambda count, x: count + 1), initial=0), max_in_flight=window)
    assert plan.run(runtime="processes", workers=1) == 40 * 7 * 7
