"""What fails in a stream of several segments: which error is told, what is saved until then, and workers that die."""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path
from typing import Any

import pytest

from daglite import compile, task
from daglite.exceptions import TransferError, WorkerDiedError, failure_of
from daglite.options import RuntimeName
from tests.samples import Memory, double, fold, odd, rows, total

pytestmark = pytest.mark.timeout(60)
WINDOWS = pytest.mark.parametrize("window", [None, 1, 2, 8])


@task
def kept(x: Any) -> Any:
    return x


def test_first_error_is_that_of_a_plain_run(crew: RuntimeName) -> None:
    """Item 6 fails in the first segment at once, a part of item 2 in the second later: that comes first."""

    @task
    def early(x: int) -> list[int]:
        if x == 6:
            raise ValueError("first segment")
        return [x] * 4

    @task
    def late(x: int) -> int:
        if x == 2:
            time.sleep(0.2)
            raise KeyError("second segment")
        return x

    with pytest.raises(KeyError, match="second segment") as caught:
        rows.iter(n=50).then(early).unbatch().then(late).run(runtime=crew, workers=2)
    failure = failure_of(caught.value)
    assert failure is not None
    assert (failure.task, failure.index, failure.item) == (late.name, 8, "2")


@pytest.mark.parametrize("n", [7, 50])
def test_error_comes_when_what_was_before_it_is_through(crew: RuntimeName, n: int) -> None:
    store = Memory()

    @task
    def fails(x: int) -> int:
        if x == 6:
            raise ValueError("item six")
        return x

    stream = rows.iter(n=n).then(fails).batch(4).then(total).save("sum_{iteration_index}", save_store=store)
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
    compile(stream.skip(1), max_in_flight=window).run(runtime=crew, workers=2)
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


# Deaths.


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
    assert compile(stream, max_in_flight=window).run(runtime="processes", workers=2) == wanted
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
