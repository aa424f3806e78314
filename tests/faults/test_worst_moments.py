"""Workers that freeze or die at the worst moment, and errors that come two at a time."""

from __future__ import annotations

import contextlib
import importlib
import os
import signal
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from daglite import compile, task
from daglite.exceptions import ExecutionError, failure_of
from daglite.options import RuntimeName, StartMethod
from tests.faults.scripts import Launch, children_of, wait_for
from tests.tasks import add, count, double

pytestmark = pytest.mark.timeout(60)
METHODS: list[StartMethod] = ["fork", "forkserver", "spawn"]
LARGE = 50_000_000
spawn = importlib.import_module("multiprocess.spawn")


def first_time(folder: str, name: str) -> bool:
    try:
        os.close(os.open(Path(folder, name), os.O_CREAT | os.O_EXCL))
    except FileExistsError:
        return False
    return True


def freeze_or_fail(x: int, folder: str) -> int:
    if x == 0:
        Path(folder, "frozen").write_text("frozen")
        os.kill(os.getpid(), signal.SIGSTOP)
    if x == 1:
        wait_for(Path(folder, "frozen"))
        raise LookupError("the other one is frozen")
    return x


@pytest.mark.parametrize("method", METHODS)
def test_a_frozen_worker_does_not_hold_a_failed_run(method: StartMethod, tmp_path: Path, nothing_left: None) -> None:
    """It gets the second that items before the failed one have; then it is killed, frozen as it is."""
    plan = compile(count.iter(n=20).then(task(freeze_or_fail), folder=str(tmp_path)), max_batch_size=1)
    with pytest.raises(LookupError, match="the other one is frozen"):
        plan.run(workers=2, start_method=method)


def test_idle_workers_that_are_killed_are_replaced(nothing_left: None) -> None:
    """Again and again, all of them, while the source is slow: nothing is lost, nobody is blamed."""
    killed: list[int] = []

    @task
    def slow(n: int) -> Iterator[int]:
        for i in range(n):
            workers = [pid for pid in children_of(os.getpid()) if pid not in servants]
            for pid in workers:
                # The helper thread may have buried and replaced one meanwhile.
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
                    killed.append(pid)
            yield i

    # The fork server and its tracker, from which replacements come, are no workers: they start here.
    assert count.iter(n=1).then(double).run(workers=1, start_method="forkserver") == [0]
    servants = set(children_of(os.getpid()))
    # Eight deaths at most: eleven without a finished item in between would end the run, and rightly.
    assert slow.iter(n=4).then(double).run(workers=2, worker_retries=10) == [2 * i for i in range(4)]
    assert len(killed) >= 2


def test_workers_that_cannot_start_end_the_run_with_a_reason(nothing_left: None) -> None:
    """A start that fails for real, each time: no item is blamed, and it does not go on for ever."""
    spawn.set_executable("/bin/false")
    try:
        with pytest.raises(ExecutionError, match=r"11 workers in a row ended without finishing an item .*exit code 1"):
            count.iter(n=20).then(double).run(workers=1, start_method="spawn")
    finally:
        spawn.set_executable(sys.executable)
    assert count.iter(n=3).then(double).run(workers=1, start_method="spawn") == [0, 2, 4]


def large_result(x: int, folder: str) -> bytes:
    if x == 0 and first_time(folder, "died"):
        # By then the answer has begun to leave, and nobody takes it.
        threading.Timer(0.2, os.kill, (os.getpid(), signal.SIGKILL)).start()
    return bytes([x]) * LARGE


@pytest.mark.parametrize("method", METHODS)
def test_a_death_inside_a_large_result_loses_nothing(method: StartMethod, tmp_path: Path, nothing_left: None) -> None:
    """Half of the frame has come: it goes with its socket, and the item runs again."""
    starts = tmp_path / "starts"

    @task
    def pausing(n: int) -> Iterator[int]:
        for i in range(n):
            yield i
            time.sleep(0.5 if i == 0 else 0)

    @task
    def short(sizes: list[tuple[int, int]], x: bytes) -> list[tuple[int, int]]:
        return [*sizes, (x[-1], len(x))]

    def noted(x: int) -> int:
        with starts.open("a") as file:
            file.write(f"{x}\n")
        return x

    stream = pausing.iter(n=3).then(task(noted)).then(task(large_result), folder=str(tmp_path))
    # Without a helper nobody reads while the source pauses.
    plan = compile(stream.reduce(short, initial=[]), helper_thread=False, max_batch_size=1)
    assert plan.run(workers=2, start_method=method) == [(i, LARGE) for i in range(3)]
    # One item at most ran again: which one depends on how far the worker was.
    lines = starts.read_text().split()
    assert set(lines) == {"0", "1", "2"}
    assert len(lines) <= 4


def dies_first(x: bytes, folder: str) -> int:
    if x[:1] == b"\0" and first_time(folder, "died"):
        time.sleep(0.2)
        os.kill(os.getpid(), signal.SIGKILL)
    return len(x)


def test_a_death_while_a_large_item_is_being_sent_loses_nothing(tmp_path: Path, nothing_left: None) -> None:
    """The second batch of the worker that dies was on its way, half of it in the socket."""

    @task
    def large(n: int) -> Iterator[bytes]:
        for i in range(n):
            yield bytes([i]) * (LARGE if i else 1)

    plan = compile(large.iter(n=4).then(task(dies_first), folder=str(tmp_path)), max_batch_size=1)
    assert plan.run(workers=1) == [1, LARGE, LARGE, LARGE]


def two_errors(x: int, folder: str, pause: float) -> int:
    if x == 1:
        Path(folder, "second").write_text("raises")
        raise KeyError("the second item")
    if x == 0:
        wait_for(Path(folder, "second"))
        time.sleep(pause)
        raise LookupError("the first item")
    return x


def test_of_two_errors_the_lowest_index_wins_when_ordered(
    crew: RuntimeName, tmp_path: Path, nothing_left: None
) -> None:
    stream = count.iter(n=20).then(task(two_errors), folder=str(tmp_path), pause=0.2)
    with pytest.raises(LookupError, match="the first item") as caught:
        compile(stream, max_batch_size=1).run(runtime=crew, workers=2)
    facts = failure_of(caught.value)
    assert facts is not None
    assert facts.index == 0


def test_of_two_errors_the_first_seen_wins_when_unordered(
    crew: RuntimeName, tmp_path: Path, nothing_left: None
) -> None:
    stream = count.iter(n=20).then(task(two_errors), folder=str(tmp_path), pause=0.2)
    with pytest.raises(KeyError, match="the second item"):
        compile(stream.reduce(add, initial=0, ordered=False), max_batch_size=1).run(runtime=crew, workers=2)


def test_an_error_waits_one_second_for_earlier_items_and_no_longer(tmp_path: Path, nothing_left: None) -> None:
    stream = count.iter(n=20).then(task(two_errors), folder=str(tmp_path), pause=600)
    with pytest.raises(KeyError, match="the second item"):
        compile(stream, max_batch_size=1).run(workers=2)


def fails_at_3(x: int) -> int:
    if x == 3:
        raise LookupError("the task's")
    return x


def test_a_generator_that_raises_while_closing_does_not_hide_the_first_error(
    crew: RuntimeName, nothing_left: None
) -> None:
    @task
    def untidy() -> Iterator[int]:
        try:
            yield from iter(range(10**9))
        finally:
            raise KeyError("the cleanup's")

    with pytest.raises(LookupError, match="the task's") as caught:
        untidy.iter().then(task(fails_at_3)).run(runtime=crew, workers=2)
    assert type(caught.value) is LookupError
    assert isinstance(caught.value.__context__, KeyError)
    # Where it is the only error it is the one to see.
    items = compile(untidy.iter().then(double)).stream(runtime=crew, workers=2)
    assert next(items) == 0
    with pytest.raises(KeyError, match="the cleanup's"):
        items.close()


def test_a_fold_that_raises_ends_the_run_and_is_named(crew: RuntimeName, nothing_left: None) -> None:
    closed: list[str] = []

    @task
    def endless() -> Iterator[int]:
        try:
            yield from iter(range(10**9))
        finally:
            closed.append("closed")

    def picky(total: int, x: int) -> int:
        return total + 1 // (x - 14)

    with pytest.raises(ZeroDivisionError, match="division") as caught:
        endless.iter().then(double).reduce(task(picky), initial=0).run(runtime=crew, workers=2)
    facts = failure_of(caught.value)
    assert facts is not None
    assert (facts.task, facts.index, facts.worker) == ("picky", 7, None)
    assert closed == ["closed"]


LOCKING = """
import os, signal, threading, time
from pathlib import Path
from daglite import task

LOCK = threading.Lock()

@task
def numbers():
    for i in range(4):
        with LOCK:
            if i == 1:
                Path("locked").touch()
                time.sleep(1)
        yield i

@task
def fragile(x: int) -> int:
    if x == 0 and not Path("died").exists():
        while not Path("locked").exists():
            time.sleep(0.01)
        Path("died").touch()
        os.kill(os.getpid(), signal.SIGKILL)
    with LOCK:
        return x
"""


def test_a_worker_that_dies_while_the_source_holds_a_lock_is_not_replaced_by_a_copy_of_it(
    tmp_path: Path, launch: Launch
) -> None:
    """Forked by request, in the middle of the source: the copy would find the lock held for ever."""
    (tmp_path / "locking.py").write_text(LOCKING)
    script = """
from daglite import compile
from locking import fragile, numbers
print(compile(numbers.iter().then(fragile), max_batch_size=1).run(workers=1, start_method="fork"))
"""
    out, errors = launch(script).communicate(timeout=20)
    assert (out, errors) == ("[0, 1, 2, 3]\n", "")
    assert (tmp_path / "died").exists()
