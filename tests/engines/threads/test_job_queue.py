"""The job queue of threads: what is woken for a result, and which results the coordinator collects together."""

from __future__ import annotations

import contextvars
import time

import pytest

from daglite.runtime.engines.threads.async_pool import AsyncEngine
from daglite.runtime.engines.threads.worker import JobQueue, ThreadJob, ThreadProgram
from daglite.runtime.kernel.work import WorkItem, WorkResult

LONG = 0.004


def work_result(seq: int, seconds: float = LONG) -> WorkResult:
    return WorkResult(seq, "done", 1, seconds=seconds)


@pytest.fixture
def sleeps(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """How long was slept."""
    found: list[float] = []
    monkeypatch.setattr(time, "sleep", found.append)
    return found


# Together.


def test_a_reply_that_comes_alone_waits_for_its_neighbours(monkeypatch: pytest.MonkeyPatch) -> None:
    desk = JobQueue()
    slept: list[float] = []

    def meanwhile(seconds: float) -> None:
        slept.append(seconds)
        desk.leave(work_result(2))
        desk.leave(work_result(3))

    monkeypatch.setattr(time, "sleep", meanwhile)
    desk.leave(work_result(1))
    assert [one.seq for one in desk.collect(None, 0.1)] == [1, 2, 3]
    # A tenth of what its work took.
    assert slept == [pytest.approx(LONG / 10)]


def test_replies_that_come_together_wait_for_nobody(sleeps: list[float]) -> None:
    desk = JobQueue()
    desk.leave(work_result(1))
    desk.leave(work_result(2))
    assert [one.seq for one in desk.collect(None, 0.1)] == [1, 2]
    assert sleeps == []


def test_a_reply_to_quick_work_does_not_wait(sleeps: list[float]) -> None:
    desk = JobQueue()
    desk.leave(work_result(1, 0.0005))
    assert len(desk.collect(None, 0.1)) == 1
    assert sleeps == []


def test_a_reply_to_slow_work_does_not_wait_long(sleeps: list[float]) -> None:
    desk = JobQueue()
    desk.leave(work_result(1, 60.0))
    desk.collect(None, 0.1)
    assert sleeps == [0.0005]


def test_a_coordinator_that_is_woken_for_nothing_looks_up_at_once(sleeps: list[float]) -> None:
    desk = JobQueue()
    desk.leave(None)
    assert desk.collect(None, 0.1) == []
    assert sleeps == []


class Deaf(AsyncEngine):
    """Takes chunks, and answers none of its own accord."""

    def _begin(self, job: ThreadJob) -> None:
        """Nothing."""


class Asked(JobQueue):
    """Notes for which part of its work's time a reply may wait."""

    def __init__(self) -> None:
        super().__init__()
        self.linger: list[float] = []

    def collect(self, timeout: float | None, linger: float = 0.0) -> list[WorkResult]:
        self.linger.append(linger)
        return []


def lingers(workers: int, under_way: int, timeout: float | None) -> list[float]:
    """For which part of its work's time a reply waits when the session is asked with this timeout."""
    session, asked = Deaf(workers), Asked()
    try:
        program = session.install(())
        for seq in range(under_way):
            session.submit(WorkItem(seq, program, "batch", ()))
        session._job_queue = asked
        session.poll(timeout)
    finally:
        session.close()
    return asked.linger


@pytest.mark.parametrize(
    ("workers", "under_way", "timeout", "linger"),
    [
        (32, 64, None, 0.1),
        (32, 48, None, 0.1),
        # A look at several engines in turn.
        (32, 64, 0.0, 0.1),
        # Somebody would run out of work.
        (32, 47, None, 0.0),
        (32, 32, None, 0.0),
        # No other is there by then.
        (8, 16, None, 0.0),
        # The caller is wanted elsewhere.
        (32, 64, 0.001, 0.0),
    ],
)
def test_replies_wait_where_many_are_at_work_and_nobody_runs_out(
    workers: int, under_way: int, timeout: float | None, linger: float
) -> None:
    assert lingers(workers, under_way, timeout) == [linger]


# Whoever waits elsewhere.


def test_whoever_waits_elsewhere_is_woken_once_until_somebody_looks() -> None:
    desk, rings = JobQueue(), list[int]()
    desk.alert(lambda: rings.append(1))
    for seq in range(5):
        desk.leave(work_result(seq))
    assert len(rings) == 1
    assert len(desk.collect(0.0)) == 5
    desk.leave(work_result(6))
    assert len(rings) == 2


def test_a_look_at_an_empty_desk_is_a_look() -> None:
    """The wake-up may be there before the reply is."""
    desk, rings = JobQueue(), list[int]()
    desk.alert(lambda: rings.append(1))
    desk.leave(None)
    desk.collect(0.0)
    assert desk.collect(0.0) == []
    desk.leave(work_result(1))
    assert len(rings) == 2


def test_another_who_waits_is_woken_of_his_own() -> None:
    desk, rings = JobQueue(), list[str]()
    desk.alert(lambda: rings.append("one"))
    desk.leave(work_result(1))
    desk.alert(lambda: rings.append("other"))
    desk.leave(work_result(2))
    assert rings == ["one", "other"]


def test_a_job_waits_only_where_it_may() -> None:
    desk = JobQueue()
    job = ThreadJob(WorkItem(1, 0, "batch", ()), ThreadProgram(0, (), contextvars.copy_context()))
    assert not desk.give(job, wait=False)
    assert desk.give(job, wait=True)
    assert desk._waiting.popleft() is job
    assert not desk._waiting
