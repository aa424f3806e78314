"""Ray as a runtime: what it joins and leaves, and what becomes of a run when its workers die."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import ray

from daglite import compile, task
from daglite.exceptions import ExecutionError, ParameterError, WorkerDiedError, failure_of
from daglite.runtime import Ray
from daglite.runtime.dataflow import tree_reduce as tree_reducer
from daglite.runtime.engines.clusters import ray as engine
from daglite.runtime.engines.clusters.transport import EngineLost
from tests.faults.scripts import children_of, noted, starts

pytestmark = pytest.mark.timeout(120)


@task
def count(n: int) -> Iterator[int]:
    yield from range(n)


@task
def double(x: int) -> int:
    return 2 * x


@pytest.fixture(scope="module")
def kept() -> Iterator[Ray]:
    with Ray(workers=2) as found:
        yield found


def test_a_cluster_of_its_own_ends_with_the_run() -> None:
    before = set(children_of(os.getpid()))
    assert double.map(x=[1, 2]).run(runtime="ray", workers=1) == [2, 4]
    assert not ray.is_initialized()
    until = time.monotonic() + 10
    while set(children_of(os.getpid())) - before and time.monotonic() < until:
        time.sleep(0.05)
    assert set(children_of(os.getpid())) - before == set()


def test_a_connection_of_the_programs_own_is_used_and_stays() -> None:
    ray.init(address="local", num_cpus=1, include_dashboard=False, log_to_driver=False, _node_ip_address="127.0.0.1")
    try:
        for _ in range(2):
            assert double.map(x=[1, 2]).run(runtime=Ray()) == [2, 4]
        assert ray.is_initialized()
        with pytest.raises(ParameterError, match="this program is connected to Ray already"):
            double(x=1).run(runtime=Ray(workers=2))
        with pytest.raises(ParameterError, match="this program is connected to Ray already"):
            double(x=1).run(runtime=Ray("auto"))
    finally:
        ray.shutdown()


def test_an_address_that_is_none_is_told() -> None:
    """An address where nobody answers is told too, after the two minutes for which Ray tries."""
    with pytest.raises(ExecutionError, match="Ray could not be started or reached"):
        double(x=1).run(runtime=Ray("nonsense"))


def test_the_end_of_the_cluster_is_told() -> None:
    ray.init(address="local", num_cpus=1, include_dashboard=False, log_to_driver=False, _node_ip_address="127.0.0.1")

    def items(n: int) -> Iterator[int]:
        for i in range(n):
            if i == 500:
                ray.shutdown()
            yield i

    try:
        with pytest.raises(ExecutionError, match="the connection to the Ray cluster is lost"):
            compile(task(items).iter(n=1000).then(double), max_in_flight=20, max_batch_size=5).run(runtime=Ray())
        # By itself Ray starts a cluster for whoever asks it for something.
        assert not ray.is_initialized()
    finally:
        ray.shutdown()


def test_a_head_that_is_silent_is_told_before_ray_ends_the_program(monkeypatch: pytest.MonkeyPatch) -> None:
    """No cluster: Ray's own answer never comes. `tests/faults/cuts/ray_figures.py` kills a head for real."""
    silent, closed = threading.Event(), list[str]()
    answers = iter([2])
    monkeypatch.setattr(engine, "_processors", lambda: next(answers, None) or silent.wait())
    monkeypatch.setattr(engine, "_ASK_INTERVAL", 0.01)
    monkeypatch.setattr(ray, "is_initialized", lambda: True)
    monkeypatch.setenv("RAY_gcs_rpc_server_reconnect_timeout_s", "0.4")
    transport = engine.RayTransport(lambda: closed.append("closed"))
    try:
        (event,) = transport.event_queue.take(20.0)
        assert isinstance(event, EngineLost)
        assert event.text.startswith("the head of the Ray cluster has not answered for 0.3 s")
    finally:
        transport.close()
        silent.set()
    assert closed == ["closed"]


def test_a_carrier_that_waits_for_an_answer_can_be_closed(monkeypatch: pytest.MonkeyPatch) -> None:
    silent, asked = threading.Event(), threading.Event()
    answers = iter([2])

    def answer() -> int:
        for known in answers:
            return known
        asked.set()
        silent.wait()
        return 2

    monkeypatch.setattr(engine, "_processors", answer)
    monkeypatch.setattr(engine, "_ASK_INTERVAL", 0.01)
    monkeypatch.setattr(ray, "is_initialized", lambda: True)
    transport = engine.RayTransport(lambda: None)
    assert asked.wait(20.0)
    transport.close()
    silent.set()
    assert transport.event_queue.take(0.0) == []


def test_values_that_are_not_allowed_are_refused() -> None:
    with pytest.raises(ParameterError, match="`workers` is for a cluster of Ray's own"):
        Ray("auto", workers=2)
    with pytest.raises(ParameterError, match="`workers` must be a whole number >= 1; got 0"):
        Ray(workers=0)
    with pytest.raises(ParameterError, match="`Ray` takes the address of a cluster, or nothing; got 1"):
        Ray(1)  # type: ignore[arg-type]  # what is refused
    assert repr(Ray("ray://me:secret@head:10001")) == "Ray('ray://...@head:10001')"


def test_a_killed_worker_loses_nothing(kept: Ray, tmp_path: Path) -> None:
    def work(x: int, folder: str) -> int:
        noted(folder, x)
        if x == 60 and os.path.getsize(f"{folder}/60") == 1:
            os.kill(os.getpid(), signal.SIGKILL)
        time.sleep(0.002)
        return x

    assert count.iter(n=300).then(task(work), folder=str(tmp_path)).run(runtime=kept) == list(range(300))
    seen = starts(tmp_path)
    assert set(seen) == set(range(300))
    assert seen[60] == 2


def test_an_item_that_kills_is_named_after_three_starts(kept: Ray, tmp_path: Path) -> None:
    def poison(x: int, folder: str) -> int:
        noted(folder, x)
        if x == 13:
            os.kill(os.getpid(), signal.SIGKILL)
        return x

    with pytest.raises(WorkerDiedError, match=r"'poison' on item 13; started 3 times; WorkerCrashedError") as caught:
        count.iter(n=60).then(task(poison), folder=str(tmp_path)).run(runtime=kept)
    assert starts(tmp_path)[13] == 3
    facts = failure_of(caught.value)
    assert facts is not None
    assert (facts.task, facts.index, facts.attempt) == ("poison", 13, 3)


def test_what_may_not_start_twice_does_not(kept: Ray, tmp_path: Path) -> None:
    def pay(x: int, folder: str) -> int:
        noted(folder, x)
        if x == 5:
            os.kill(os.getpid(), signal.SIGKILL)
        return x

    careful = task(pay, retry_on_crash=False)
    with pytest.raises(WorkerDiedError, match="started once"):
        count.iter(n=40).then(careful, folder=str(tmp_path)).run(runtime=kept)
    time.sleep(2)
    # A neighbour whose worker was ended with the run may have opened its file and written nothing.
    assert max(starts(tmp_path).values()) == 1


def test_what_a_run_leaves_unfinished_is_not_done_any_more(kept: Ray, tmp_path: Path) -> None:
    def slow(x: int, folder: str) -> int:
        noted(folder, x)
        time.sleep(0.05)
        return x

    plan = compile(count.iter(n=1000).then(task(slow), folder=str(tmp_path)), max_batch_size=20)
    with plan.stream(runtime=kept) as items:
        assert [next(items) for _ in range(4)] == [0, 1, 2, 3]
    time.sleep(0.5)
    before = starts(tmp_path)
    time.sleep(0.5)
    assert starts(tmp_path) == before


# More than what is sent home at once: parts like this stay in the store of the cluster.
PAD = bytes(300_000)
Padded = tuple[list[int], bytes]


@pytest.fixture
def parts_stay(monkeypatch: pytest.MonkeyPatch) -> None:
    """Parts of some size stay with their workers, though these are few."""
    monkeypatch.setattr(tree_reducer, "RETURNED_BYTES", 0)


def listed(so_far: Padded, x: int) -> Padded:
    return [*so_far[0], x], so_far[1]


@pytest.mark.usefixtures("parts_stay")
def test_a_death_takes_no_part_along_that_has_been_made(kept: Ray, tmp_path: Path) -> None:
    """Parts lie in the store of their machine: what the dead worker was at starts again, and nothing else."""

    def work(x: int, folder: str) -> int:
        noted(folder, x)
        if x == 60 and os.path.getsize(f"{folder}/60") == 1:
            os.kill(os.getpid(), signal.SIGKILL)
        return x

    start: Padded = ([-1], PAD)
    items = count.iter(n=80).then(task(work), folder=str(tmp_path))
    fold = items.reduce(task(listed), initial=start, combine=lambda a, b: (a[0] + b[0], a[1]), empty=([], PAD))
    assert compile(fold, max_batch_size=1).run(runtime=kept) == ([-1, *range(80)], PAD)
    seen = starts(tmp_path)
    assert (len(seen), seen[60], sum(seen.values())) == (80, 2, 81)


@pytest.mark.usefixtures("parts_stay")
def test_parts_whose_putting_together_kills_are_told(kept: Ray) -> None:
    coordinator = os.getpid()

    def fatal(one: Padded, other: Padded) -> Padded:
        if os.getpid() != coordinator:
            os.kill(os.getpid(), signal.SIGKILL)
        return one[0] + other[0], one[1]

    start: Padded = ([], PAD)
    fold = count.iter(n=40).reduce(task(listed), initial=start, combine=task(fatal), empty=start)
    with pytest.raises(WorkerDiedError, match=r"it ran task 'fatal' on partial results of \d+ items; started 3 times"):
        compile(fold, max_batch_size=2).run(runtime=kept)
