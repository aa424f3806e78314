"""Time limits, workers that may not be retried, workers that are replaced after some items."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from daglite import compile, task
from daglite.exceptions import ParameterError, TaskTimeoutError, WorkerDiedError, failure_of
from daglite.options import StartMethod
from tests.tasks import count, double


def slow_at(x: int, index: int, pause: float = 0.01) -> int:
    time.sleep(3600 if x == index else pause)
    return x


def brief(x: int) -> int:
    time.sleep(0.05)
    return x


@pytest.mark.parametrize("method", ["fork", "forkserver", "spawn"])
def test_an_item_over_its_limit_is_named_and_its_worker_killed(method: StartMethod, nothing_left: None) -> None:
    limited = task(slow_at, timeout=0.5)
    with pytest.raises(TaskTimeoutError, match=r"task 'slow_at' took longer than its `timeout` of 0\.5 s") as caught:
        count.iter(n=20).then(double).then(limited, index=14).run(workers=2, start_method=method)
    assert isinstance(caught.value, TimeoutError)
    facts = failure_of(caught.value)
    assert facts is not None
    assert (facts.task, facts.index, facts.item) == ("slow_at", 7, "7")


def test_a_limit_counts_the_call_and_not_the_queue() -> None:
    # Each call is well within its limit; all of them together on one worker are not.
    limited = task(brief, timeout=0.5)
    assert count.iter(n=30).then(limited).run(workers=1) == list(range(30))


def test_a_limit_kills_calls_that_hold_the_interpreter() -> None:
    big = task(lambda x: pow(7, 10**9, 10**400_000 + x) % 10, name="big", timeout=0.3)
    with pytest.raises(TaskTimeoutError, match="task 'big'"):
        count.iter(n=2).then(big).run(workers=2)


def test_results_before_the_slow_item_of_a_batch_are_not_lost() -> None:
    seen: list[int] = []

    @task
    def note(seen_before: int, x: int) -> int:
        seen.append(x)
        return seen_before

    limited = task(slow_at, timeout=0.3).partial(index=200, pause=0)
    with pytest.raises(TaskTimeoutError, match="task 'slow_at'"):
        count.iter(n=2000).then(limited).reduce(note, initial=0).run(workers=2)
    assert seen == list(range(200))


def test_single_calls_joins_and_generators_keep_limits() -> None:
    stuck = task(lambda x: time.sleep(60), name="stuck", timeout=0.3)

    @task(timeout=0.3)
    def slow_items() -> Iterator[int]:
        yield 1
        time.sleep(60)

    with pytest.raises(TaskTimeoutError, match="task 'stuck'"):
        stuck(x=1).run(workers=1)
    with pytest.raises(TaskTimeoutError, match="task 'stuck'"):
        count.iter(n=3).join(stuck).run(workers=1)
    with pytest.raises(TaskTimeoutError, match="task 'slow_items'"):
        slow_items().run(workers=1)


def test_a_join_with_a_limit_runs_on_a_worker() -> None:
    where = task(lambda xs: os.getpid(), name="where")
    assert count.iter(n=3).join(where).run(workers=1) == os.getpid()
    limited = count.iter(n=3).join(where.with_options(timeout=30))
    assert limited.run(workers=1) != os.getpid()
    assert compile(limited, optimize=False).run(workers=1) != os.getpid()


def test_limits_that_cannot_be_kept_are_refused_when_built() -> None:
    fold = task(lambda a, x: a, name="fold", timeout=1)
    with pytest.raises(ParameterError, match=r"task 'fold' has a `timeout`.*`reduce` cannot keep"):
        count.iter(n=3).reduce(fold, initial=0)
    with pytest.raises(ParameterError, match=r"task 'count' has a `timeout`.*`.iter` cannot keep"):
        count.with_options(retry_on_crash=False).iter(n=3)
    for wrong in (0, -1, True, "1", float("nan")):
        with pytest.raises(ParameterError, match="`timeout` must be a number of seconds > 0"):
            task(timeout=wrong)  # type: ignore[arg-type]


def test_a_task_that_may_not_be_retried_ends_the_run_at_the_first_death(tmp_path: Path) -> None:
    started = tmp_path / "started"

    def pay(x: int) -> int:
        with started.open("a") as file:
            file.write(f"{x}\n")
        if x == 3:
            os.kill(os.getpid(), signal.SIGKILL)
        return x

    with pytest.raises(WorkerDiedError, match="task 'pay' on item"):
        count.iter(n=50).then(task(pay, retry_on_crash=False)).run(workers=2)
    lines = started.read_text().split()
    assert lines.count("3") == 1


@pytest.mark.parametrize("most", [1, 7])
def test_workers_are_replaced_after_some_items(most: int) -> None:
    pids = count.iter(n=40).then(task(lambda x: os.getpid(), name="pid")).run(workers=2, max_items_per_worker=most)
    assert len(pids) == 40
    assert max(pids.count(pid) for pid in pids) <= most
