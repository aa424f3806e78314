"""Runtime objects: kept workers, and what a run may say beside them."""

from __future__ import annotations

import os
import signal
import threading
import time

import pytest

import daglite
from daglite import task
from daglite.exceptions import ParameterError
from daglite.options import StartMethod
from daglite.runtime import Inline, Processes
from tests.tasks import count, double


@task
def pid_of(_: int) -> int:
    return os.getpid()


def slow_pid_of(x: int) -> int:
    time.sleep(0.01)
    return os.getpid()


@pytest.mark.parametrize("method", ["fork", "forkserver", "spawn"])
def test_kept_workers_serve_many_runs(method: StartMethod, nothing_left: None) -> None:
    with Processes(workers=2, start_method=method) as pool:
        # Slow enough for one worker not to be done before the other gets something.
        seen = {pid for _ in range(3) for pid in count.iter(n=10).then(task(slow_pid_of)).run(runtime=pool)}
        assert len(seen) == 2
        factor = 7
        assert count.iter(n=3).then(task(lambda x: x * factor)).run(runtime=pool) == [0, 7, 14]


def test_kept_workers_survive_faults_between_and_in_runs(nothing_left: None) -> None:
    with Processes(workers=2) as pool:
        pids = set(count.iter(n=20).then(pid_of).run(runtime=pool))
        for pid in pids:
            os.kill(pid, signal.SIGKILL)
        assert count.iter(n=20).then(double).run(runtime=pool) == [2 * i for i in range(20)]
        with pytest.raises(ZeroDivisionError, match="division"):
            count.iter(n=1000).then(task(lambda x: 1 // (x - 500))).run(runtime=pool)
        items = daglite.compile(count.iter(n=100_000).then(double)).stream(runtime=pool)
        assert next(items) == 0
        items.close()
        assert count.iter(n=20).then(double).run(runtime=pool) == [2 * i for i in range(20)]


def test_two_runs_at_once_on_one_pool_both_end(nothing_left: None) -> None:
    results: list[list[int]] = []

    @task
    def nested(total: int, item: int) -> int:
        # A run inside a fold, on the pool that the fold's own run holds.
        return total + sum(double.map(x=[item]).run(runtime=pool))

    with Processes(workers=1) as pool:
        threads = [
            threading.Thread(target=lambda: results.append(count.iter(n=50).then(double).run(runtime=pool)))
            for _ in range(3)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert count.iter(n=4).then(double).reduce(nested, initial=0).run(runtime=pool) == 24
    assert results == [[2 * i for i in range(50)]] * 3


def test_a_pool_that_is_closed_runs_like_a_plain_object(nothing_left: None) -> None:
    pool = Processes(workers=1)
    with pool:
        pass
    assert count.iter(n=2).then(double).run(runtime=pool) == [0, 2]


def test_inline_as_an_object() -> None:
    assert count.iter(n=2).then(pid_of).run(runtime=Inline()) == [os.getpid()] * 2
    assert count.iter(n=2).then(pid_of).run(runtime=daglite.runtime.Inline()) == [os.getpid()] * 2


def test_options_that_belong_to_the_object_are_refused() -> None:
    with pytest.raises(ParameterError, match="`workers` belongs to the runtime object"):
        count.iter(n=2).run(runtime=Processes(), workers=2)
    with pytest.raises(ParameterError, match="`workers` must be a whole number >= 1"):
        Processes(workers=0)
    with pytest.raises(ParameterError, match="`runtime` must be one of 'processes', 'threads', 'inline', 'auto'"):
        count.iter(n=2).run(runtime="thread")  # type: ignore[arg-type]
    with pytest.raises(ParameterError, match="`start_method` must be one of"):
        Processes(start_method="vfork")  # type: ignore[arg-type]
