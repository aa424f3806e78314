"""Streams of several segments on workers: bounded as a whole, earliest errors first, ended early, never stuck."""

from __future__ import annotations

import os
import random
import signal
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from daglite import compile, task
from daglite.exceptions import TransferError, WorkerDiedError, failure_of
from daglite.options import RuntimeName
from tests.samples import Memory, double, fold, odd, rows, total

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
    plan = compile(stream, window=window)
    wanted = [2 * (i + i + 1 + i + 2) for i in range(0, 198, 2)][5:]
    assert plan.run(runtime=crew, workers=workers) == wanted
    with plan.stream(runtime=crew, workers=workers) as items:
        assert list(items) == wanted


@WINDOWS
def test_fold_in_parts_runs_behind_operations(crew: RuntimeName, window: int | None) -> None:
    plan = compile(
        rows.iter(n=100).then(kept).batch(3).then(total).reduce(plus, initial=0, combine=plus), window=window
    )
    assert plan.run(runtime=crew, workers=2) == sum(range(100))
    plan = compile(rows.iter(n=100).then(kept).skip(1).reduce(plus, initial=0, combine=plus), window=window)
    assert plan.run(runtime=crew, workers=2) == sum(range(100))


@pytest.mark.parametrize("window", [1, 2, 5])
@WORKERS
def test_window_bounds_all_segments_together(crew: RuntimeName, window: int, workers: int) -> None:
    ledger = Ledger()
    stream = ledger.source(120).then(kept).enumerate().then(first).window(1).then(total).skip(0)
    assert compile(stream.reduce(ledger.sink(), initial=0), window=window).run(runtime=crew, workers=workers) == 120
    assert ledger.peak <= window


@pytest.mark.parametrize("window", [1, 2, 5])
def test_operations_hold_what_they_say_beside_the_window(crew: RuntimeName, window: int) -> None:
    ledger = Ledger()
    stream = ledger.source(120).then(kept).batch(4).then(total).reduce(ledger.sink(4), initial=0)
    assert compile(stream, window=window).run(runtime=crew, workers=2) == 30
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
    assert compile(stream, window=window).run(runtime="threads", workers=3) == 250
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
    assert compile(stream, window=3).run(runtime="threads", workers=4) == 100
    assert ledger.peak == 3


@pytest.mark.parametrize("tail", ["links", "operations"])
def test_consumer_holds_the_source_back(crew: RuntimeName, tail: str) -> None:
    ledger = Ledger()
    stream = ledger.source(1000).then(kept).skip(0)
    plan = compile(stream.then(kept) if tail == "links" else stream, window=4)
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
    assert compile(stream, window=window).run(runtime=crew, workers=2) == list(range(0, 20, 2))
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


# Errors.


def test_first_error_is_that_of_a_plain_run(crew: RuntimeName) -> None:
    """Item 6 fails in the first segment at once, the list of items 0 to 3 in the second later: that comes first."""

    @task
    def early(x: int) -> int:
        if x == 6:
            raise ValueError("first segment")
        return x

    @task
    def late(xs: list[int]) -> int:
        time.sleep(0.2)
        raise KeyError("second segment")

    with pytest.raises(KeyError, match="second segment") as caught:
        rows.iter(n=50).then(early).batch(4).then(late).run(runtime=crew, workers=2)
    failure = failure_of(caught.value)
    assert failure is not None
    assert (failure.task, failure.index, failure.item) == (late.name, 0, "[0, 1, 2, 3]")


def test_error_before_comes_when_what_was_before_it_is_through(crew: RuntimeName) -> None:
    store = Memory()

    @task
    def fails(x: int) -> int:
        if x == 6:
            raise ValueError("item six")
        return x

    stream = rows.iter(n=50).then(fails).batch(4).then(total).save("sum_{iteration_index}", save_store=store)
    with pytest.raises(ValueError, match="item six") as caught:
        stream.run(runtime=crew, workers=2)
    failure = failure_of(caught.value)
    assert failure is not None
    assert (failure.index, failure.worker is None) == (6, False)
    # Of the list that was being filled nothing has come out.
    assert store.saved == [("sum_0", 6)]


def test_error_of_an_operation_names_its_task_and_item(crew: RuntimeName) -> None:
    @task
    def asks(x: int) -> bool:
        if x == 14:
            raise ValueError("no answer")
        return True

    @task
    def slow(x: int) -> int:
        time.sleep(0.01)
        return x

    with pytest.raises(ValueError, match="no answer") as caught:
        rows.iter(n=50).then(double).take_while(asks).then(slow).run(runtime=crew, workers=2)
    failure = failure_of(caught.value)
    assert failure is not None
    assert (failure.task, failure.index, failure.item, failure.worker) == (asks.name, 7, "14", None)


def test_item_of_a_later_segment_that_cannot_be_sent_is_named() -> None:
    class Locked:
        def __reduce__(self) -> str:
            raise TypeError("locked")

    @task
    def locked(x: int) -> object:
        return Locked() if x == 2 else x

    stream = rows.iter(n=5).then(kept).group_by(locked).then(kept)
    with pytest.raises(TransferError, match=r"item 2 of .*locked.* cannot be sent to a worker") as caught:
        stream.run(runtime="processes", workers=2)
    failure = failure_of(caught.value)
    assert failure is not None
    assert failure.index == 2


# Saves.


@WINDOWS
def test_saves_of_later_segments_come_in_order(crew: RuntimeName, window: int | None) -> None:
    store: Any = Memory()
    stream: Any = rows.iter(n=20).then(double).save("a_{iteration_index}", save_store=store)
    stream = stream.batch(6).save("b_{iteration_index}", save_store=store)
    stream = stream.then(total).save("c_{iteration_index}", save_store=store)
    compile(stream.skip(1), window=window).run(runtime=crew, workers=2)
    saved = {letter: [(k, v) for k, v in store.saved if k[0] == letter] for letter in "abc"}
    lists = [[2 * i for i in range(start, min(20, start + 6))] for start in range(0, 20, 6)]
    assert saved["a"] == [(f"a_{i}", 2 * i) for i in range(20)]
    assert saved["b"] == [(f"b_{i}", each) for i, each in enumerate(lists)]
    assert saved["c"] == [(f"c_{i}", sum(each)) for i, each in enumerate(lists)]


def test_nothing_behind_the_end_is_saved(crew: RuntimeName) -> None:
    store: Any = Memory()

    @task
    def few(x: int) -> bool:
        return x < 30

    stream = rows.iter(n=500).then(double).save("a_{iteration_index}", save_store=store).take_while(few).then(kept)
    assert stream.run(runtime=crew, workers=2) == list(range(0, 30, 2))
    # Of the first that does not pass the result is seen, and saved.
    assert [key for key, _ in store.saved] == [f"a_{i}" for i in range(16)]


# Order, and faults.


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


@pytest.mark.parametrize("segment", [0, 1])
@WINDOWS
def test_worker_that_dies_in_a_segment_is_replaced(
    tmp_path: Path, segment: int, window: int | None, nothing_left: None
) -> None:
    def deadly(x: Any, at: int) -> Any:
        mark = tmp_path / f"{at}"
        if at == segment and not mark.exists() and (x if at == 0 else x[0]) == 12:
            mark.touch()
            os.kill(os.getpid(), signal.SIGKILL)
        return x

    die = task(deadly, name="deadly")
    stream = rows.iter(n=40).then(die, at=0).batch(4).then(die, at=1).unbatch().reduce(fold, initial=0)
    wanted = 0
    for i in range(40):
        wanted = 3 * wanted + i
    assert compile(stream, window=window).run(runtime="processes", workers=2) == wanted
    assert (tmp_path / f"{segment}").exists()


def test_item_that_always_kills_in_a_later_segment_is_named(nothing_left: None) -> None:
    @task
    def dies(xs: list[int]) -> int:
        if 9 in xs:
            os.kill(os.getpid(), signal.SIGKILL)
        return sum(xs)

    with pytest.raises(WorkerDiedError, match=r"SIGKILL.*'dies' on item 2; started 3 times"):
        rows.iter(n=40).then(kept).batch(4).then(task(dies.fn, name="dies")).run(runtime="processes", workers=2)


def test_filters_in_front_of_an_operation_leave_no_gaps_behind_it(crew: RuntimeName) -> None:
    @task
    def refuses(x: tuple[int, int]) -> int:
        if x[1] == 9:
            raise ValueError("nine")
        return x[1]

    stream = rows.iter(n=20).filter(odd).enumerate().then(refuses)
    with pytest.raises(ValueError, match="nine") as caught:
        stream.run(runtime=crew, workers=2)
    failure = failure_of(caught.value)
    assert failure is not None
    assert failure.index == 4
