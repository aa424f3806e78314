"""Workers that die: their items run again, the run's result is exact, and a killer is named."""

from __future__ import annotations

import contextlib
import ctypes
import faulthandler
import os
import signal
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from daglite import DatasetStore, compile, task
from daglite.exceptions import WorkerDiedError, failure_of
from daglite.options import StartMethod
from tests.tasks import add, count


def sigkill() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def segfault() -> None:
    # The fault handler would print a traceback to the terminal of the test run.
    faulthandler.disable()
    ctypes.string_at(0)


def abort() -> None:
    faulthandler.disable()
    os.abort()


def leave() -> None:
    os._exit(7)


def first_time(folder: Path, name: str) -> bool:
    """Whether no process has passed here before with this name."""
    try:
        os.close(os.open(folder / name, os.O_CREAT | os.O_EXCL))
    except FileExistsError:
        return False
    return True


@pytest.mark.parametrize("method", ["fork", "forkserver", "spawn"])
@pytest.mark.parametrize("die", [sigkill, segfault, abort, leave])
def test_lost_items_run_again_and_nothing_else(die: Callable[[], None], method: StartMethod, tmp_path: Path) -> None:
    generated: list[int] = []

    @task
    def source(n: int) -> Iterator[int]:
        for i in range(n):
            generated.append(i)
            yield i

    def fragile(x: int, folder: str) -> int:
        if x in (5, 40) and first_time(Path(folder), f"died-{x}"):
            die()
        return x * 2

    store = DatasetStore(tmp_path / "store")
    items = source.iter(n=60).save("item_{iteration_index}", save_store=store)
    result = items.then(task(fragile), folder=str(tmp_path)).run(workers=2, start_method=method)
    assert result == [2 * i for i in range(60)]
    assert generated == list(range(60))
    assert len(store.list_keys()) == 60


@pytest.mark.parametrize(
    ("die", "shown"),
    [
        (sigkill, "signal SIGKILL"),
        (segfault, "signal SIGSEGV"),
        (abort, "signal SIGABRT"),
        (leave, "exit code 7"),
    ],
)
def test_an_item_that_kills_every_time_is_named(die: Callable[[], None], shown: str, tmp_path: Path) -> None:
    starts: Path = tmp_path / "starts"

    def poison(x: int) -> int:
        with starts.open("a") as file:
            file.write(f"{x}\n")
        if x == 11:
            die()
        return x

    with pytest.raises(WorkerDiedError, match=f"{shown}.*task 'poison' on item 11; started 3 times") as caught:
        count.iter(n=40).then(task(poison)).run(workers=2)
    facts = failure_of(caught.value)
    assert facts is not None
    assert (facts.task, facts.index, facts.item, facts.attempt) == ("poison", 11, "11", 3)
    assert starts.read_text().split().count("11") == 3


def test_without_retries_the_first_death_ends_the_run() -> None:
    def poison(x: int) -> int:
        return sigkill() or x if x == 3 else x  # type: ignore[func-returns-value]

    with pytest.raises(WorkerDiedError, match="started once"):
        count.iter(n=10).then(task(poison)).run(workers=2, worker_retries=0)


def test_single_calls_and_generators_on_workers_are_started_again(tmp_path: Path) -> None:
    def once(x: int, folder: str) -> int:
        if first_time(Path(folder), "call"):
            sigkill()
        return x

    @task
    def items(n: int, folder: str) -> Iterator[int]:
        for i in range(n):
            if i == 600 and first_time(Path(folder), "generator"):
                sigkill()
            yield i

    assert task(once)(x=4, folder=str(tmp_path)).run(workers=1) == 4
    store = DatasetStore(tmp_path / "store")
    plain = compile(
        items.iter(n=1000, folder=str(tmp_path)).save("{iteration_index}", save_store=store), optimize=False
    )
    assert plain.run(workers=1) == list(range(1000))
    assert len(store.list_keys()) == 1000


def test_a_generator_that_fails_after_its_worker_died_saves_no_item_under_a_wrong_index(tmp_path: Path) -> None:
    """The items of a new attempt count from 0, also when it fails before it has sent any."""

    @task
    def items(n: int, folder: str) -> Iterator[int]:
        for i in range(n):
            yield i
            if i == 2 and not first_time(Path(folder), "generator"):
                raise ValueError("at 2")
        time.sleep(0.2)
        yield n
        sigkill()

    store = DatasetStore(tmp_path / "store")
    plain = compile(items.iter(n=10, folder=str(tmp_path)).save("{iteration_index}", save_store=store), optimize=False)
    with pytest.raises(ValueError, match="at 2"):
        plain.run(workers=1)
    assert sorted(map(int, store.list_keys())) == list(range(11))


def test_unordered_folds_see_each_item_once_although_workers_die(tmp_path: Path) -> None:
    def fragile(x: int, folder: str) -> int:
        if x % 50 == 7 and first_time(Path(folder), str(x)):
            sigkill()
        return x

    stream = count.iter(n=400).then(task(fragile), folder=str(tmp_path))
    assert stream.reduce(add, initial=0, ordered=False).run(workers=2) == sum(range(400))


def test_workers_that_cannot_live_end_the_run_with_a_reason() -> None:
    def poison(x: int) -> int:
        sigkill()
        return x

    with pytest.raises(WorkerDiedError, match="SIGKILL"):
        count.iter(n=1000).then(task(poison)).run(workers=2)


def test_a_task_that_closes_the_connection_of_its_worker_is_named_and_nobody_else_blamed() -> None:
    """Such a worker has not ended, so it is ended: that SIGKILL is ours, and the error says so."""

    def closes(x: int) -> int:
        for number in os.listdir("/proc/self/fd"):
            with contextlib.suppress(OSError):
                if os.readlink(f"/proc/self/fd/{number}").startswith("socket:"):
                    os.close(int(number))
        time.sleep(600)
        return x

    with pytest.raises(WorkerDiedError, match="on item 0; started once; it had closed its connection, so it was kill"):
        task(closes).map(x=[1]).run(workers=1, worker_retries=0)
