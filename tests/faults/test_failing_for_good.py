"""Time limits and deaths of workers as failures of their item: tried again, skipped, handled, kept."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from daglite import Failed, Retry, compile, task
from daglite.exceptions import TaskTimeoutError, TooManyFailuresError, WorkerDiedError, failure_of
from daglite.options import StartMethod
from tests.tasks import count

pytestmark = pytest.mark.timeout(120)
METHODS = pytest.mark.parametrize("method", ["fork", "forkserver", "spawn"])
PLAIN_TOO = pytest.mark.parametrize("optimize", [True, False])


@task
def same(x: Any) -> Any:
    return x


def slow_until(x: int, at: int, folder: str, attempts: int) -> int:
    """Takes too long at one item, as often as this; a line in a file for each attempt there."""
    if x == at:
        path = Path(folder, "attempts")
        with path.open("a") as file:
            file.write(f"{os.getpid()}\n")
        if len(path.read_text().split()) <= attempts:
            time.sleep(60)
    return x


def deadly(x: int, at: int) -> int:
    if x == at:
        os.kill(os.getpid(), signal.SIGKILL)
    return x


def told(failed: Failed[Any]) -> object:
    return type(failed.error).__name__, failed.index, failed.item, failed.failure.attempt


@METHODS
@PLAIN_TOO
def test_a_call_over_its_limit_is_tried_again_on_another_worker(
    method: StartMethod, optimize: bool, tmp_path: Path, nothing_left: None
) -> None:
    hopeful = task(slow_until, timeout=0.5, retries=Retry(attempts=3, first_delay=0.01))
    stream = count.iter(n=12).then(same).then(hopeful, at=7, folder=str(tmp_path), attempts=2).then(same)
    plan = compile(stream, optimize=optimize, max_batch_size=5)

    assert plan.run(workers=2, start_method=method) == [*range(12)]
    assert len(set((tmp_path / "attempts").read_text().split())) == 3


@PLAIN_TOO
def test_after_the_last_attempt_the_run_ends(optimize: bool, tmp_path: Path, nothing_left: None) -> None:
    hopeful = task(slow_until, timeout=0.3, retries=1)
    plan = compile(count.iter(n=5).then(hopeful, at=2, folder=str(tmp_path), attempts=9), optimize=optimize)
    with pytest.raises(TaskTimeoutError, match=r"took longer than its `timeout` of 0\.3 s") as caught:
        plan.run(workers=2)
    facts = failure_of(caught.value)
    assert facts is not None
    assert (facts.index, facts.attempt) == (2, 2)
    assert len((tmp_path / "attempts").read_text().split()) == 2


def test_a_limit_is_tried_again_only_if_it_is_meant(tmp_path: Path) -> None:
    for number, on in enumerate([(ConnectionError,), (TimeoutError,)]):
        folder = tmp_path / str(number)
        folder.mkdir()
        picky = task(slow_until, timeout=0.3, retries=Retry(attempts=2, first_delay=0, on=on), on_error="skip")
        assert count.iter(n=3).then(picky, at=1, folder=str(folder), attempts=9).run(workers=1) == [0, 2]
        assert len((folder / "attempts").read_text().split()) == number + 1


def test_attempts_that_raised_and_attempts_over_the_limit_are_counted_together(tmp_path: Path) -> None:
    def moody(x: int) -> int:
        path = tmp_path / "attempts"
        number = len(path.read_text()) if path.exists() else 0
        path.write_text("x" * (number + 1))
        if number % 2:
            time.sleep(60)
        raise ConnectionError(x)

    hopeful = task(moody, timeout=0.3, retries=Retry(attempts=3, first_delay=0))
    with pytest.raises(ConnectionError, match="0") as caught:
        count.iter(n=1).then(hopeful).run(workers=1)
    facts = failure_of(caught.value)
    assert facts is not None
    assert facts.attempt == 3
    assert (tmp_path / "attempts").read_text() == "xxx"


@METHODS
@PLAIN_TOO
def test_a_call_over_its_limit_fails_like_any_other(
    method: StartMethod, optimize: bool, tmp_path: Path, nothing_left: None
) -> None:
    mended = task(slow_until, timeout=0.4, on_error=told)
    stream = count.iter(n=9).then(same).then(mended, at=4, folder=str(tmp_path), attempts=9).then(same)
    plan = compile(stream, optimize=optimize, max_batch_size=4)
    assert plan.run(workers=2, start_method=method) == [0, 1, 2, 3, ("TaskTimeoutError", 4, 4, 1), 5, 6, 7, 8]


@METHODS
@PLAIN_TOO
def test_an_item_that_kills_its_workers_fails_like_any_other(
    method: StartMethod, optimize: bool, nothing_left: None
) -> None:
    # Failed items go through the second one as well.
    second: Any = task(deadly, on_error="skip")
    stream = count.iter(n=9).then(same).attempt(task(deadly), at=4).then(second, at=6)
    plan = compile(stream, optimize=optimize, max_batch_size=4)
    found: list[Any] = plan.run(workers=2, start_method=method)

    assert [one for one in found if not isinstance(one, Failed)] == [0, 1, 2, 3, 5, 7, 8]
    (lost,) = (one for one in found if isinstance(one, Failed))
    assert isinstance(lost.error, WorkerDiedError)
    assert (lost.index, lost.item, lost.failure.attempt) == (4, 4, 3)
    assert "(signal SIGKILL) while it ran task 'deadly' on item 4; started 3 times" in str(lost.error)


def test_an_item_may_kill_at_one_step_after_the_other() -> None:
    first, second = (task(deadly, name=name, on_error=lambda failed: failed.item) for name in ("first", "second"))
    assert count.iter(n=4).then(first, at=2).then(second, at=2).run(workers=1) == [0, 1, 2, 3]


def test_a_step_that_ends_runs_is_not_taken_for_one_that_does_not() -> None:
    guarded = task(lambda x: x, name="guarded", on_error="skip")
    with pytest.raises(WorkerDiedError, match="while it ran task 'guarded -> deadly' on item 2; started 3 times"):
        count.iter(n=4).then(guarded).then(task(deadly), at=2).run(workers=1)


@pytest.mark.parametrize("options", [{"retry_on_crash": False}, {}])
def test_a_death_ends_the_run_where_nothing_may_start_twice(options: dict[str, Any]) -> None:
    guarded = task(deadly, on_error="skip", **options)
    with pytest.raises(WorkerDiedError, match="started once"):
        count.iter(n=4).then(guarded, at=2).run(workers=1, worker_retries=2 if options else 0)


def test_limits_and_deaths_count_as_failures() -> None:
    plan = compile(count.iter(n=4).then(task(deadly, on_error="skip"), at=2))
    assert plan.run(workers=1, worker_retries=1, max_failures=1) == [0, 1, 3]
    with pytest.raises(TooManyFailuresError, match="task 'deadly', item 2: WorkerDiedError: the worker ended"):
        plan.run(workers=1, worker_retries=1, max_failures=0)


def test_single_calls_fail_for_good_too(tmp_path: Path) -> None:
    hopeful = task(slow_until, timeout=0.4, retries=Retry(attempts=2, first_delay=0), on_error=told)
    assert hopeful(x=1, at=1, folder=str(tmp_path), attempts=1).run() == 1
    later: Any = hopeful(x=1, at=1, folder=str(tmp_path), attempts=9).run()
    assert later == ("TaskTimeoutError", None, None, 2)
    dead: Any = same(x=3).then(task(deadly, on_error=told), at=3).run()
    assert dead == ("WorkerDiedError", None, 3, 3)


def test_generators_over_their_limit_begin_again(tmp_path: Path) -> None:
    def slow(n: int) -> Iterator[int]:
        yield 0
        slow_until(0, 0, str(tmp_path), 1)
        yield from range(1, n)

    assert task(slow, timeout=0.5, retries=1)(n=3).run() == [0, 1, 2]
    (tmp_path / "attempts").unlink()
    with pytest.raises(TaskTimeoutError, match="task 'slow' took longer"):
        task(slow, timeout=0.5)(n=3).run()


@METHODS
def test_folds_in_parts_go_on_behind_failures(method: StartMethod, nothing_left: None) -> None:
    @task
    def total(acc: int, item: int) -> int:
        return acc + item

    mended = task(deadly, on_error=lambda failed: 1000)
    stream = count.iter(n=50).then(mended, at=33)
    plan = compile(stream.reduce(total, initial=7, combine=lambda a, b: a + b))
    assert plan.run(workers=2, start_method=method) == 7 + sum(range(50)) - 33 + 1000
