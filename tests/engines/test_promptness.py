"""What was learnt of a source while it was fast does not hold a run up later; and who is to blame when several fail."""

from __future__ import annotations

import asyncio
import os
import pickle
import signal
import sys
import threading
import time
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from daglite import compile, task
from daglite.exceptions import failure_of
from daglite.options import RuntimeName

FAST = 20_000


@task
def slowing(pulled: list[int]) -> Iterator[int]:
    for i in range(FAST + 60):
        pulled[0] = i
        if i > FAST:
            time.sleep(0.1)
        yield i


def fail_at(x: int, index: int) -> int:
    if x == index:
        raise ValueError(f"bad {x}")
    return x


def test_an_error_stops_a_source_that_became_slow(runtime: RuntimeName) -> None:
    pulled = [0]
    with pytest.raises(ValueError, match=f"bad {FAST}"):
        slowing.iter(pulled=pulled).then(task(fail_at), index=FAST).run(runtime=runtime)
    assert pulled[0] - FAST < 10


def test_cancelling_does_not_wait_for_a_source_that_became_slow(runtime: RuntimeName) -> None:
    pulled = [0]

    async def main() -> None:
        running = asyncio.ensure_future(
            slowing.iter(pulled=pulled).then(task(fail_at), index=-1).run_async(runtime=runtime)
        )
        while pulled[0] < FAST + 2:
            await asyncio.sleep(0.01)
        running.cancel()
        with pytest.raises(asyncio.CancelledError, match=r"^$"):
            await running

    asyncio.run(main())
    assert pulled[0] - FAST < 20


def test_large_items_after_small_ones_stay_within_the_byte_limit() -> None:
    small, folded, worst = 2000, [0], [0]

    @task
    def growing() -> Iterator[bytes]:
        for i in range(3000):
            # Large ones that came out, less those that were folded.
            worst[0] = max(worst[0], i - small - max(0, folded[0] - small))
            yield b"x" * (1 if i < small else 1_000_000)

    @task
    def note(total: int, item: int) -> int:
        folded[0] += 1
        return total + item

    plan = compile(growing.iter().then(task(len)).reduce(note, initial=0), max_in_flight_bytes=8_000_000)
    # One worker: behind a slow one, the small results of large items wait in any number.
    assert plan.run(workers=1) == small + 1000 * 1_000_000
    # 8 MB in the window and 4 MiB in a pull, with an item across each limit and some room for two threads counting;
    # a limit that does not hold lets hundreds through.
    assert worst[0] <= 24


class Keepsake:
    """Pickled by name while workers start."""


def test_other_threads_pickle_while_workers_start() -> None:
    stop, failed, main = threading.Event(), list[BaseException](), sys.modules["__main__"]

    def pickling() -> None:
        while not stop.is_set():
            try:
                pickle.loads(pickle.dumps(Keepsake()))
                assert sys.modules["__main__"].__dict__ is main.__dict__
            except BaseException as error:
                failed.append(error)

    thread = threading.Thread(target=pickling)
    thread.start()
    try:
        for _ in range(5):
            assert task(abs).map(x=[-1, -2]).run(workers=2, start_method="spawn") == [1, 2]
    finally:
        stop.set()
        thread.join()
    assert failed == []


def test_recovery_respects_what_a_worker_may_still_take(tmp_path: Path) -> None:
    def fragile(x: int) -> int:
        if x % 23 == 5:
            try:
                os.close(os.open(tmp_path / str(x), os.O_CREAT | os.O_EXCL))
            except FileExistsError:
                return x
            os.kill(os.getpid(), signal.SIGKILL)
        return x

    for most in (5, 8, 13):
        for mark in tmp_path.iterdir():
            mark.unlink()
        result = task(fragile).map(x=range(120)).run(workers=3, max_items_per_worker=most)
        assert result == list(range(120))


@pytest.mark.parametrize("items", [5, 400])
def test_an_item_that_fails_comes_before_its_source_that_fails_later(items: int, runtime: RuntimeName) -> None:
    @task
    def breaking() -> Iterator[int]:
        yield from range(items)
        raise OSError("source")

    with pytest.raises(ValueError, match="bad"):
        breaking.iter().then(task(fail_at), index=items - 1).run(runtime=runtime)


def test_a_time_limit_is_one_for_each_attempt() -> None:
    @task(retries=2, timeout=1.0)
    def hesitates(x: int) -> int:
        time.sleep(0.5)
        raise ValueError("after a while")

    with pytest.raises(ValueError, match="after a while") as caught:
        hesitates.map(x=[1]).run(workers=1)
    facts = failure_of(caught.value)
    assert facts is not None
    assert facts.attempt == 3


@pytest.mark.parametrize("optimize", [True, False])
def test_an_exit_in_the_source_is_the_users_own(crew: RuntimeName, optimize: bool) -> None:
    @task
    def leaving() -> Iterator[int]:
        yield 1
        raise SystemExit(7)

    with pytest.raises(SystemExit, match="7"):
        compile(leaving.iter().then(task(fail_at), index=-1), optimize=optimize).run(runtime=crew, workers=1)


def test_an_async_source_and_an_async_fold_do_not_share_a_loop(crew: RuntimeName) -> None:
    @task
    async def waiting() -> AsyncIterator[int]:
        for i in range(5):
            await asyncio.sleep(0.03)
            yield i

    @task
    async def plus(total: int, item: int) -> int:
        return total + item

    assert waiting.iter().then(task(fail_at), index=-1).reduce(plus, initial=0).run(runtime=crew, workers=2) == 10


def test_a_retried_source_is_closed_when_the_run_ends_at_its_first_item() -> None:
    seen: list[str] = []

    @task(retries=1)
    async def source() -> AsyncIterator[int]:
        seen.append("started")
        if len(seen) == 1:
            raise KeyError("first")
        try:
            yield 1
            yield 2
        finally:
            seen.append("closed")

    with pytest.raises(ValueError, match="bad 1"):
        source.iter().then(task(fail_at), index=1).run(runtime="inline")
    assert seen == ["started", "started", "closed"]


class Memory(dict[str, object]):
    """A store that is false while it is empty."""

    def save(self, key: str, value: object) -> None:
        self[key] = value


def test_an_empty_store_is_a_store() -> None:
    store = Memory()
    assert task(fail_at)(x=1, index=2).save("k", save_store=store).run(runtime="inline") == 1
    assert store == {"k": 1}
