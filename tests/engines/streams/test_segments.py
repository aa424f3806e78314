"""Streams of several segments on workers: bounded as a whole, earliest errors first, ended early, never stuck."""

from __future__ import annotations

import asyncio
import random
import threading
import time
from collections.abc import Iterator
from typing import Any

import pytest

from daglite import compile, task
from daglite.options import RuntimeName
from tests.samples import double, rows, total

pytestmark = pytest.mark.timeout(60)
WINDOWS = pytest.mark.parametrize("window", [None, 1, 2, 8])
WORKERS = pytest.mark.parametrize("workers", [1, 3])


@task
def kept(x: Any) -> Any:
    return x


@task
def listed(found: list[Any], x: Any) -> list[Any]:
    return [*found, x]


@task
def first(x: tuple[int, int]) -> int:
    return x[0]


@task
def plus(a: int, b: int) -> int:
    return a + b


class Ledger:
    """Counts what has come and gone in this process, and the most that were there at once."""

    def __init__(self) -> None:
        self.came = self.gone = self.peak = 0
        self.closed = False

    def come(self) -> None:
        self.came += 1
        self.peak = max(self.peak, self.came - self.gone)

    def source(self, n: int) -> Any:
        @task
        def numbers() -> Iterator[int]:
            try:
                for i in range(n):
                    self.come()
                    yield i
            finally:
                self.closed = True

        return numbers.iter()

    def sink(self, each: int = 1) -> Any:
        @task
        def gone(count: int, x: Any) -> int:
            self.gone += each
            return count + 1

        return gone


@WINDOWS
@WORKERS
def test_items_come_through_all_segments_in_order(crew: RuntimeName, window: int | None, workers: int) -> None:
    stream = rows.iter(n=200).batch(7).then(kept).unbatch().then(double).window(3, step=2).then(total).skip(5)
    plan = compile(stream, max_in_flight=window)
    wanted = [2 * (i + i + 1 + i + 2) for i in range(0, 198, 2)][5:]
    assert plan.run(runtime=crew, workers=workers) == wanted
    with plan.stream(runtime=crew, workers=workers) as items:
        assert list(items) == wanted


@WINDOWS
def test_fold_in_parts_runs_behind_operations(crew: RuntimeName, window: int | None) -> None:
    plan = compile(
        rows.iter(n=100).then(kept).batch(3).then(total).reduce(plus, initial=0, combine=plus), max_in_flight=window
    )
    assert plan.run(runtime=crew, workers=2) == sum(range(100))
    plan = compile(rows.iter(n=100).then(kept).skip(1).reduce(plus, initial=0, combine=plus), max_in_flight=window)
    assert plan.run(runtime=crew, workers=2) == sum(range(100))


@pytest.mark.parametrize("window", [1, 2, 5])
@WORKERS
def test_window_bounds_all_segments_together(crew: RuntimeName, window: int, workers: int) -> None:
    ledger = Ledger()
    stream = ledger.source(120).then(kept).enumerate().then(first).window(1).then(total).skip(0)
    assert (
        compile(stream.reduce(ledger.sink(), initial=0), max_in_flight=window).run(runtime=crew, workers=workers) == 120
    )
    assert ledger.peak <= window


@pytest.mark.parametrize("window", [1, 2, 5])
def test_operations_hold_what_they_say_beside_the_window(crew: RuntimeName, window: int) -> None:
    ledger = Ledger()
    stream = ledger.source(120).then(kept).batch(4).then(total).reduce(ledger.sink(4), initial=0)
    assert compile(stream, max_in_flight=window).run(runtime=crew, workers=2) == 30
    # A list of four that is being filled, and in the window lists of four.
    assert ledger.peak <= 4 + 4 * window


@pytest.mark.parametrize("window", [1, 2, 5])
def test_item_taken_apart_is_given_on_in_parts(window: int) -> None:
    """No more parts are alive than the window has places, however many the item has."""
    alive, peak, lock = 0, 0, threading.Lock()

    @task
    def many(x: int) -> range:
        return range(50)

    @task
    def part(x: int) -> int:
        nonlocal alive, peak
        with lock:
            alive += 1
            peak = max(peak, alive)
        return x

    @task
    def gone(count: int, x: int) -> int:
        nonlocal alive
        with lock:
            alive -= 1
        return count + 1

    stream = rows.iter(n=5).then(many).unbatch().then(part).window(1).then(total).reduce(gone, initial=0)
    assert compile(stream, max_in_flight=window).run(runtime="threads", workers=3) == 250
    assert peak <= window


def test_slow_segment_holds_the_source_back() -> None:
    """The last workers wait until the source has been asked for all that the window admits; it is asked no more."""
    ledger, go = Ledger(), threading.Event()

    @task
    def waits(x: int) -> int:
        if ledger.came == 3:
            go.set()
        assert go.wait(30)
        return x

    stream = ledger.source(100).then(kept).skip(0).then(waits).reduce(ledger.sink(), initial=0)
    assert compile(stream, max_in_flight=3).run(runtime="threads", workers=4) == 100
    assert ledger.peak == 3


@pytest.mark.parametrize("tail", ["links", "operations"])
def test_consumer_holds_the_source_back(crew: RuntimeName, tail: str) -> None:
    ledger = Ledger()
    stream = ledger.source(1000).then(kept).skip(0)
    plan = compile(stream.then(kept) if tail == "links" else stream, max_in_flight=4)
    with plan.stream(runtime=crew, workers=2) as items:
        for taken in range(1, 20):
            next(items)
            ledger.gone = taken - 1
            time.sleep(0.005)
    assert ledger.peak <= 4 + 1
    assert ledger.closed


def test_results_flow_while_the_source_is_stuck(crew: RuntimeName) -> None:
    """The source goes on only when what it gave before has come through all segments."""
    seen = threading.Event()

    @task
    def stuck() -> Iterator[int]:
        yield from range(4)
        assert seen.wait(30)
        yield from range(4)

    @task
    def look(count: int, x: int) -> int:
        if count == 1:
            seen.set()
        return count + 1

    stream = stuck.iter().then(kept).batch(2).then(total).skip(0)
    assert stream.reduce(look, initial=0).run(runtime=crew, workers=2) == 4
    seen.clear()
    assert stream.then(kept).reduce(look, initial=0).run(runtime=crew, workers=2) == 4


# Early ends.


@WINDOWS
def test_operation_that_has_enough_ends_everything_before(crew: RuntimeName, window: int | None) -> None:
    ledger = Ledger()

    @task
    def small(x: int) -> bool:
        return x < 20

    stream = ledger.source(100_000).then(double).take_while(small).then(kept)
    assert compile(stream, max_in_flight=window).run(runtime=crew, workers=2) == list(range(0, 20, 2))
    assert ledger.closed
    assert ledger.came < 100_000


@pytest.mark.parametrize("tail", ["links", "operations"])
@pytest.mark.parametrize("where", ["source", "task"])
def test_errors_behind_the_end_never_happened(crew: RuntimeName, where: str, tail: str) -> None:
    @task
    def source() -> Iterator[int]:
        yield from range(5)
        if where == "source":
            raise ValueError("asked for more")
        yield from range(5, 9)

    @task
    def strict(x: int) -> int:
        if x >= 5:
            raise ValueError("asked for more")
        time.sleep(0.05)
        return x

    # A take that cannot be moved to the source.
    stream: Any = source.iter().then(strict).enumerate().take(5)
    stream = stream.then(kept) if tail == "links" else stream
    assert stream.run(runtime=crew, workers=2) == [(i, i) for i in range(5)]


def test_source_is_closed_while_the_rest_goes_on() -> None:
    ledger, told = Ledger(), []

    @task
    def late(x: int) -> int:
        for _ in range(1000):
            if ledger.closed:
                break
            time.sleep(0.01)
        told.append(ledger.closed)
        return x

    @task
    def few(x: int) -> bool:
        return x < 3

    stream = ledger.source(10_000).then(kept).take_while(few).then(late)
    assert stream.run(runtime="threads", workers=2) == [0, 1, 2]
    assert told[-1]


# Order.


def test_operations_see_items_in_order_whatever_the_ending(crew: RuntimeName) -> None:
    @task
    def lazy(x: int) -> int:
        time.sleep(random.random() / 500)
        return x

    stream = rows.iter(n=60).then(lazy).batch(5).then(kept).reduce(listed, initial=[], ordered=False)
    found = stream.run(runtime=crew, workers=3)
    assert sorted(found) == [list(range(start, start + 5)) for start in range(0, 60, 5)]
    behind = rows.iter(n=60).then(lazy).batch(5).reduce(listed, initial=[], ordered=False)
    assert behind.run(runtime=crew, workers=3) == sorted(found)


@pytest.mark.parametrize("runtime", ["threads", "processes"])
def test_async_tasks_beside_the_source_leave_async_folds_their_loop(runtime: RuntimeName) -> None:
    """The question about item 1 waits until item 0 has been folded; both run in this process, on two threads."""
    folded = threading.Event()
    here = double.with_options(on="coordinator")

    @task
    async def waits(x: int) -> bool:
        for _ in range(2000):
            if x == 0 or folded.is_set():
                return True
            await asyncio.sleep(0.01)
        return False

    @task
    async def add(total: int, x: int) -> int:
        await asyncio.sleep(0)
        folded.set()
        return total + x

    stream = rows.iter(n=4).then(here).take_while(waits).then(double).reduce(add, initial=0)

    assert stream.run(runtime=runtime, workers=2) == 24
