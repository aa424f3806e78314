"""Results that are taken apart: what comes, in which order, how much of it is made ahead, and what faults do to it."""

from __future__ import annotations

import os
import signal
import struct
import time
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any, get_args

import pytest

from daglite import compile, task
from daglite.exceptions import WorkerDiedError, failure_of
from daglite.options import RuntimeName, StartMethod
from daglite.runtime import Processes
from daglite.runtime.kernel.chunked_results import CHUNK_ITEMS, OpenIterators
from tests.samples import Memory, double, odd, rows
from tests.tasks import add

pytestmark = pytest.mark.timeout(60)
EVERYWHERE = pytest.mark.parametrize("runtime", get_args(RuntimeName))
PLAIN_TOO = pytest.mark.parametrize("optimize", [True, False])
LONG = 3 * CHUNK_ITEMS + 7
# What may be made ahead of a consumer: a window of items for two workers, and pieces that wait, or are on their way.
AHEAD = 1024 + 6 * CHUNK_ITEMS


@task
def up_to(n: int) -> Iterator[int]:
    yield from range(n)


@task
async def slowly_up_to(n: int) -> AsyncIterator[int]:
    for i in range(n):
        yield i


@task
def listed(n: int) -> list[int]:
    return list(range(n))


@task
def word(n: int) -> str:
    return "x" * n


SPREADING = pytest.mark.parametrize("spreading", [up_to, slowly_up_to, listed], ids=["generator", "async", "list"])


@EVERYWHERE
@PLAIN_TOO
@SPREADING
def test_all_that_a_task_gives_comes_in_order(runtime: RuntimeName, optimize: bool, spreading: Any) -> None:
    sizes = [3, 0, LONG, 1, LONG]

    @task
    def source() -> Iterator[int]:
        yield from sizes

    plan = compile(source.iter().flat_map(spreading).then(double), optimize=optimize)
    assert plan.run(runtime=runtime, workers=2) == [2 * x for n in sizes for x in range(n)]


@EVERYWHERE
@PLAIN_TOO
def test_it_is_then_and_unbatch(runtime: RuntimeName, optimize: bool) -> None:
    stream = rows.iter(n=6)
    first, second = (compile(s, optimize=optimize) for s in (stream.flat_map(up_to), stream.then(up_to).unbatch()))

    assert first == second
    assert first.run(runtime=runtime, workers=2) == second.run(runtime=runtime, workers=2)


@EVERYWHERE
def test_text_gives_its_letters(runtime: RuntimeName) -> None:
    assert rows.iter(n=4).flat_map(word).run(runtime=runtime, workers=2) == list("xxxxxx")


@EVERYWHERE
def test_behind_a_filter(runtime: RuntimeName) -> None:
    found = rows.iter(n=6, start=LONG).filter(odd).flat_map(up_to).reduce(add, initial=0).run(runtime=runtime)
    assert found == sum(sum(range(LONG + i)) for i in range(6) if (LONG + i) % 2)


@EVERYWHERE
@PLAIN_TOO
def test_numbers_begin_anew(runtime: RuntimeName, optimize: bool) -> None:
    store = Memory()
    kept = rows.iter(n=4).flat_map(up_to).then(double).save("{iteration_index}", save_store=store)
    compile(kept, optimize=optimize).run(runtime=runtime, workers=2)

    assert store.saved == [(str(place), 2 * x) for place, x in enumerate([0, 0, 1, 0, 1, 2])]


@EVERYWHERE
@pytest.mark.parametrize("window", [1, 2, None])
def test_small_windows_are_enough(runtime: RuntimeName, window: int | None) -> None:
    plan = compile(rows.iter(n=3, start=LONG).flat_map(up_to).then(double).reduce(add, initial=0), max_in_flight=window)
    assert plan.run(runtime=runtime, workers=2) == 2 * sum(sum(range(LONG + i)) for i in range(3))


@EVERYWHERE
def test_without_order_nothing_is_lost(runtime: RuntimeName) -> None:
    stream = rows.iter(n=6, start=LONG).flat_map(up_to).then(double)
    assert stream.reduce(add, initial=0, ordered=False).run(runtime=runtime, workers=2) == 2 * sum(
        sum(range(LONG + i)) for i in range(6)
    )


@task
def counted(n: int, path: str) -> Iterator[int]:
    """Writes down how far it is, and whether it was closed."""
    fd = os.open(path, os.O_RDWR | os.O_CREAT)
    try:
        for i in range(n):
            os.pwrite(fd, struct.pack("q", i + 1), 0)
            yield i
    finally:
        os.pwrite(fd, b"closed", 8)
        os.close(fd)


def made(path: Path) -> int:
    """How many items were made, as soon as that does not change any more."""
    before = -1
    while True:
        found = int(struct.unpack("q", path.read_bytes()[:8])[0]) if path.exists() else 0
        if found == before and found:
            return found
        before = found
        time.sleep(0.2)


@pytest.mark.parametrize("runtime", ["inline", "threads", "processes"])
def test_no_more_is_made_than_a_few_pieces_ahead(runtime: RuntimeName, tmp_path: Path, nothing_left: None) -> None:
    """The consumer has taken one of a million."""
    path = tmp_path / "made"
    plan = compile(rows.iter(n=1, start=1_000_000).flat_map(counted, path=str(path)))
    stream = plan.stream(runtime=runtime, workers=2)

    assert next(stream) == 0
    assert made(path) <= AHEAD
    # What has been made for the consumer goes on, and only so much more is made.
    for _ in range(2 * CHUNK_ITEMS):
        next(stream)
    assert made(path) <= AHEAD + 3 * CHUNK_ITEMS
    stream.close()


@pytest.mark.parametrize("runtime", ["inline", "threads", "processes"])
def test_a_result_without_an_end_is_left_when_enough_has_been_taken(runtime: RuntimeName, tmp_path: Path) -> None:
    path = tmp_path / "made"
    found = rows.iter(n=1, start=10**9).flat_map(counted, path=str(path)).take(3).run(runtime=runtime, workers=2)

    assert found == [0, 1, 2]
    assert made(path) <= AHEAD


def test_kept_workers_close_what_they_have_begun(tmp_path: Path, nothing_left: None) -> None:
    path = tmp_path / "made"
    with Processes(workers=1) as pool:
        stream = compile(rows.iter(n=1, start=10**9).flat_map(counted, path=str(path)))
        consumer = stream.stream(runtime=pool)
        assert next(consumer) == 0
        # When it has made a few pieces the worker waits; one that is at work would be ended.
        made(path)
        consumer.close()
        assert rows.iter(n=3).then(double).run(runtime=pool) == [0, 2, 4]
        until = time.monotonic() + 10
        while path.read_bytes()[8:] != b"closed" and time.monotonic() < until:
            time.sleep(0.01)

    assert path.read_bytes()[8:] == b"closed"


@task
def killing_once(n: int, folder: str) -> Iterator[int]:
    """Kills its worker in the middle, the first time."""
    for i in range(n):
        if i == 2 * CHUNK_ITEMS and not os.path.exists(f"{folder}/{n}"):
            open(f"{folder}/{n}", "w").close()
            os.kill(os.getpid(), signal.SIGKILL)
        yield i


@pytest.mark.parametrize("method", get_args(StartMethod)[1:])
@pytest.mark.parametrize("window", [None, 1])
def test_what_has_gone_on_does_not_come_again_from_another_worker(
    method: StartMethod, window: int | None, tmp_path: Path, nothing_left: None
) -> None:
    plan = compile(rows.iter(n=4, start=LONG).flat_map(killing_once, folder=str(tmp_path)), max_in_flight=window)
    found = plan.run(workers=2, start_method=method)

    assert found == [x for n in range(LONG, LONG + 4) for x in range(n)]
    assert len(os.listdir(tmp_path)) == 4


def test_what_has_gone_on_does_not_come_again_after_a_late_try(tmp_path: Path, nothing_left: None) -> None:
    """The neighbour kills the worker between two pieces, and the next try takes too long."""

    @task(retries=1, timeout=2)
    def unlucky(n: int, folder: str) -> list[int]:
        calls = len(os.listdir(folder))
        open(f"{folder}/{calls}", "w").close()
        if n == 1 and calls == 1:
            os.kill(os.getpid(), signal.SIGKILL)
        if n == 0 and calls == 2:
            time.sleep(60)
        return list(range(LONG)) if n == 0 else []

    # Where all chunks of the first item come before its neighbour begins, nothing is left to come again.
    for attempt in range(30):
        folder = tmp_path / str(attempt)
        folder.mkdir()
        assert rows.iter(n=2).flat_map(unlucky, folder=str(folder)).run(workers=1) == list(range(LONG))
        if len(os.listdir(folder)) >= 5:
            return
    pytest.fail("the neighbour never killed the worker between two chunks")


def test_one_that_cannot_be_closed_does_not_keep_the_others_open() -> None:
    closed: list[int] = []

    def held(number: int) -> Iterator[int]:
        try:
            yield number
        finally:
            closed.append(number)
            if number == 0:
                raise OSError("no")

    opened = OpenIterators()
    for number in range(3):
        items = held(number)
        next(items)
        opened.keep(0, number, items)
    opened.forget()

    assert closed == [0, 1, 2]


def test_an_item_that_kills_its_worker_again_and_again_is_named(nothing_left: None) -> None:
    @task
    def deadly(n: int) -> Iterator[int]:
        yield from range(2 * CHUNK_ITEMS)
        if n == 1:
            os.kill(os.getpid(), signal.SIGKILL)

    with pytest.raises(WorkerDiedError, match="task 'deadly' on item 1; started 3 times"):
        rows.iter(n=3).flat_map(deadly).then(double).run(workers=2)


@task
def failing(n: int) -> Iterator[int]:
    yield from range(n)
    if n == LONG + 2:
        raise ValueError("no more")


@EVERYWHERE
@pytest.mark.parametrize("filtered", [False, True])
def test_what_a_generator_raises_is_told_of_its_task_and_item(runtime: RuntimeName, filtered: bool) -> None:
    stream: Any = rows.iter(n=4, start=LONG)
    if filtered:
        # It lets the third one pass, and drops the one before it.
        stream = stream.filter(odd if LONG % 2 else even)
    with pytest.raises(ValueError, match="no more") as caught:
        stream.flat_map(failing).then(double).run(runtime=runtime, workers=2)

    failure = failure_of(caught.value)
    assert failure is not None
    assert (failure.task, failure.index, failure.item) == ("failing", 2, str(LONG + 2))


@task
def even(x: int) -> bool:
    return x % 2 == 0


@EVERYWHERE
@PLAIN_TOO
def test_a_task_that_is_tried_again_gives_its_items_once(runtime: RuntimeName, optimize: bool, tmp_path: Path) -> None:
    @task(retries=1)
    def shaky(n: int, folder: str) -> Iterator[int]:
        yield from range(n)
        mark = f"{folder}/{n}"
        if not os.path.exists(mark):
            open(mark, "w").close()
            raise OSError("once")

    plan = compile(rows.iter(n=2, start=LONG).flat_map(shaky, folder=str(tmp_path)), optimize=optimize)
    assert plan.run(runtime=runtime, workers=2) == [*range(LONG), *range(LONG + 1)]


@pytest.mark.parametrize("runtime", ["threads", "processes"])
def test_no_more_results_are_open_than_a_few_for_each_worker(runtime: RuntimeName, tmp_path: Path) -> None:
    """Each may hold a file."""
    plan = compile(rows.iter(n=40, start=10**6).flat_map(opened, folder=str(tmp_path)))
    stream = plan.stream(runtime=runtime, workers=2)
    next(stream)
    time.sleep(0.5)
    assert len(os.listdir(tmp_path)) <= 6
    stream.close()


@task
def opened(n: int, folder: str) -> Iterator[int]:
    open(f"{folder}/{n}", "w").close()
    yield from range(n)


def test_workers_that_are_replaced_give_results_as_a_whole() -> None:
    """`max_items_per_worker` ends a worker between two pieces."""
    found = rows.iter(n=6, start=LONG).flat_map(up_to).run(workers=2, max_items_per_worker=1)
    assert found == [x for n in range(LONG, LONG + 6) for x in range(n)]
