"""The session of a cluster against an engine of the tests' own."""

from __future__ import annotations

import time
from collections import OrderedDict
from pathlib import Path

import pytest

from daglite.exceptions import ExecutionError, TransferError
from daglite.runtime.engines.clusters import engine as sessions, worker_state as rounds
from daglite.runtime.engines.clusters.engine import ClusterEngine
from daglite.runtime.engines.clusters.messages import JobOutcome, pack_outcome
from daglite.runtime.engines.clusters.transport import (
    Endpoint,
    EngineLost,
    JobFailed,
    JobFinished,
    NodeJoined,
    NodeLeft,
)
from daglite.runtime.kernel.timers import TimerReading, pack_reading
from tests.runtime.clusters.engine import ONE, TWO, Engine, made, values, work_item


def test_a_chunk_is_done_and_answered() -> None:
    engine = Engine(ONE)
    session = ClusterEngine(engine)
    program = session.install([made(lambda x: x * 2)])
    session.submit(work_item(7, program, session, 1, 2, 3))
    engine.work(engine.sent[0])
    (work_result,) = session.poll(None)
    assert (work_result.seq, work_result.kind, work_result.done, values(session, work_result)) == (
        7,
        "done",
        3,
        [2, 4, 6],
    )
    session.close()
    assert engine.dropped == [engine.sent[0].job.run]
    assert engine.closed == 1


def test_a_small_program_goes_along_until_its_worker_has_answered() -> None:
    engine = Engine(ONE)
    session = ClusterEngine(engine)
    program = session.install([made(lambda x: x)])
    session.submit(work_item(0, program, session, 1))
    session.submit(work_item(1, program, session, 2))
    engine.work(engine.sent[0])
    assert len(session.poll(None)) == 1
    session.submit(work_item(2, program, session, 3))
    assert [one.job.body is not None for one in engine.sent] == [True, True, False]


def test_a_large_program_goes_once() -> None:
    engine = Engine(ONE)
    session = ClusterEngine(engine)
    table = bytes(100_000)
    program = session.install([made(lambda x: x + len(table))])
    session.submit(work_item(0, program, session, 1))
    session.submit(work_item(1, program, session, 2))
    assert [one.job.body is not None for one in engine.sent] == [True, False]


def test_a_worker_that_lacks_something_says_so_and_gets_it() -> None:
    """Chunks may overtake each other on the way: then the second one has come before the program."""
    engine = Engine(ONE)
    session = ClusterEngine(engine)
    table = bytes(100_000)
    program = session.install([made(lambda x: x + len(table))])
    session.submit(work_item(0, program, session, 1))
    session.submit(work_item(1, program, session, 2))
    engine.work(engine.sent[1])
    assert session.poll(None) == []
    again = engine.sent[2]
    assert again.job.body is not None
    engine.work(again)
    (work_result,) = session.poll(None)
    assert (work_result.seq, values(session, work_result)) == (1, [100_002])
    assert session.credits() == 1


def test_a_worker_that_has_forgotten_the_run_gets_all_of_it_again(monkeypatch: pytest.MonkeyPatch) -> None:
    """It may have worked for many others meanwhile."""
    engine = Engine(ONE)
    session = ClusterEngine(engine)

    class Point:
        x = 1

    program = session.install([made(lambda x: x.x)])
    for seq in range(2):
        session.submit(work_item(seq, program, session, session.codec.capture(Point())))
        if seq == 1:
            monkeypatch.setattr(rounds, "_ROUNDS", OrderedDict())
        engine.work(engine.sent[-1])
        work_results = session.poll(None)
    assert work_results == []
    again = engine.sent[-1].job
    assert (engine.sent[1].job.base, again.base, len(again.definitions)) == (1, 0, 1)
    engine.work(engine.sent[-1])
    assert [values(session, work_result) for work_result in session.poll(None)] == [[1]]


def test_definitions_reach_a_worker_once_and_in_order() -> None:
    engine = Engine(ONE)
    session = ClusterEngine(engine)

    class Point:
        x = 1

    program = session.install([made(lambda x: x.x)])
    session.submit(work_item(0, program, session, session.codec.capture(Point())))
    engine.work(engine.sent[0])
    (work_result,) = session.poll(None)
    assert values(session, work_result) == [1]

    class Other:
        x = 2

    session.submit(work_item(1, program, session, session.codec.capture(Other())))
    session.submit(work_item(2, program, session, session.codec.capture(Point())))
    first, second, third = [one.job for one in engine.sent]
    assert (first.base, len(first.definitions)) == (0, 1)
    assert (second.base, len(second.definitions), third.base) == (1, 1, 1)
    # The later one comes first: it brings all it needs.
    engine.work(engine.sent[2])
    engine.work(engine.sent[1])
    assert [values(session, work_result) for work_result in session.poll(None)] == [[1], [2]]


def test_all_that_a_worker_had_is_lost_with_it_and_may_have_begun() -> None:
    engine = Engine(ONE, TWO)
    session = ClusterEngine(engine)
    program = session.install([made(lambda x: x)])
    for seq in range(4):
        session.submit(work_item(seq, program, session, seq))
    assert [one.spot for one in engine.sent] == ["one", "two", "one", "two"]
    assert session.credits() == 0
    engine.event_queue.post(NodeLeft("two"))
    lost = session.poll(None)
    assert [(work_result.seq, work_result.kind, work_result.started, work_result.worker) for work_result in lost] == [
        (1, "lost", True, 22),
        (3, "lost", True, 22),
    ]
    assert "worker two left the Test cluster" in lost[0].hint
    assert engine.cancelled == [engine.sent[1].ticket, engine.sent[3].ticket]
    # What comes late is nobody's: the chunk has been sent again, or will be.
    engine.work(engine.sent[1])
    assert session.poll(0.0) == []


def test_a_job_for_a_process_that_has_ended_is_lost_and_not_done_by_the_next(tmp_path: Path) -> None:
    """A worker that was started again at the same address must not do what its predecessor may have done."""
    engine = Engine(Endpoint("one", 1, process="another", pid=1))
    session = ClusterEngine(engine)
    note = tmp_path / "note"
    session.submit(work_item(0, session.install([made(lambda x: note.write_text("done"))]), session, 1))
    engine.work(engine.sent[0])
    (work_result,) = session.poll(None)
    assert (work_result.kind, work_result.started, note.exists()) == ("lost", True, False)


def test_after_a_loss_suspects_are_alone_with_their_worker() -> None:
    engine = Engine(Endpoint("one", 2), Endpoint("two", 2))
    session = ClusterEngine(engine)
    program = session.install([made(lambda x: x)])
    # Before it, a single call takes one slot of its worker.
    session.submit(work_item(0, program, session, 0, exclusive=True))
    session.submit(work_item(1, program, session, 0, exclusive=True))
    session.submit(work_item(2, program, session, 0, exclusive=True))
    engine.event_queue.post(NodeLeft("two"))
    assert len(session.poll(None)) == 1
    assert not session.has_idle_worker()
    for one in engine.sent[::2]:
        engine.work(one)
    assert len(session.poll(None)) == 2
    session.submit(work_item(3, program, session, 0, exclusive=True))
    assert (session.has_idle_worker(), session.credits()) == (False, 0)
    engine.work(engine.sent[-1])
    assert len(session.poll(None)) == 1
    assert (session.has_idle_worker(), session.credits()) == (True, 4)


def test_an_engine_whose_jobs_die_alone_suspects_nobody_else() -> None:
    engine = Engine(Endpoint("all", 3, alone=True))
    session = ClusterEngine(engine)
    program = session.install([made(lambda x: x)])
    session.submit(work_item(0, program, session, 0))
    session.submit(work_item(1, program, session, 0))
    engine.event_queue.post(JobFailed(engine.sent[0].ticket, "its process crashed", lost=True))
    (work_result,) = session.poll(None)
    assert (work_result.seq, work_result.kind, work_result.hint) == (0, "lost", "its process crashed")
    assert session.has_idle_worker()
    session.submit(work_item(2, program, session, 0, exclusive=True))
    assert session.has_idle_worker()


def test_what_an_engine_cannot_run_ends_the_run() -> None:
    engine = Engine(ONE)
    session = ClusterEngine(engine)
    program = session.install([made(lambda x: x)])
    session.submit(work_item(0, program, session, 0))
    engine.event_queue.post(
        JobFailed(engine.sent[0].ticket, "ModuleNotFoundError: No module named 'daglite'", lost=False)
    )
    with pytest.raises(TransferError, match=r"Test could not run a chunk: ModuleNotFoundError.*is daglite in"):
        session.poll(None)
    engine.event_queue.post(EngineLost("it is gone"))
    with pytest.raises(ExecutionError, match="it is gone"):
        session.poll(None)
    session.submit(work_item(1, program, session, 0))
    engine.event_queue.post(
        JobFinished(engine.sent[-1].ticket, pack_outcome(JobOutcome("refused", "x", 1, text="of another make")))
    )
    with pytest.raises(ExecutionError, match="a worker of the Test cluster refused a chunk: of another make"):
        session.poll(None)


def test_a_cluster_that_stays_without_workers_ends_the_run(monkeypatch: pytest.MonkeyPatch) -> None:
    engine = Engine(ONE)
    session = ClusterEngine(engine)
    engine.event_queue.post(NodeLeft("one"))
    assert session.poll(None) == []
    assert (session.credits(), session.has_idle_worker()) == (0, False)
    engine.event_queue.post(NodeJoined(TWO))
    assert session.poll(0.0) == []
    assert session.credits() == 2
    monkeypatch.setattr(sessions, "_WITHOUT_WORKERS", 0.01)
    engine.event_queue.post(NodeLeft("two"))
    session.poll(None)
    with pytest.raises(ExecutionError, match=r"all workers of the Test cluster have been gone for 0\.01 s"):
        session.poll(None)


def test_a_kept_session_begins_each_run_from_nothing() -> None:
    engine = Engine(ONE)
    session = ClusterEngine(engine)
    program = session.install([made(lambda x: x)])
    session.submit(work_item(0, program, session, 0))
    session.reset()
    assert engine.cancelled == [engine.sent[0].ticket]
    assert engine.dropped == [engine.sent[0].job.run]
    engine.work(engine.sent[0])
    assert session.poll(0.0) == []
    assert session.credits() == 2
    program = session.install([made(lambda x: x)])
    session.submit(work_item(1, program, session, 0))
    assert engine.sent[1].job.run != engine.sent[0].job.run
    assert engine.sent[1].job.body is not None


def test_batches_aim_at_what_the_engine_stands() -> None:
    assert ClusterEngine(Engine(ONE)).batch_policy.aim == 0.05
    assert ClusterEngine(Engine(Endpoint("all", 1000, alone=True))).batch_policy.aim == 2.0


def test_a_call_over_its_limit_is_told_while_it_goes_on() -> None:
    engine = Engine(ONE)
    session = ClusterEngine(engine)
    step = made(lambda x: time.sleep(2) if x == 2 else x, timeout=0.1)
    session.submit(work_item(0, session.install([step]), session, 0, 1, 2, 3))
    engine.work(engine.sent[0])
    (work_result,) = session.poll(None)
    assert (work_result.kind, work_result.done, work_result.step) == ("overdue", 2, 0)
    assert "goes on" in work_result.hint


def test_the_clock_of_workers_is_measured_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Measured anew for each answer, with a pause between two looks, one batch would seem to overlap the next."""
    engine = Engine(ONE)
    session = ClusterEngine(engine)
    program = session.install([made(lambda x: x)])
    session.submit(work_item(0, program, session, 1))
    day, now = time.time(), time.perf_counter()
    monkeypatch.setattr(time, "time", lambda: day + 60.0)
    outcome = JobOutcome("done", "x", 1, began=day - 1.0, reading=pack_reading(TimerReading(0.0, ())))
    one = [bytes(segment) for segment in session.codec.pack([1])]
    engine.event_queue.post(JobFinished(engine.sent[0].ticket, pack_outcome(outcome, one)))
    (work_result,) = session.poll(None)
    assert work_result.reading is not None
    assert work_result.reading.began == pytest.approx(now - 1.0, abs=0.5)
