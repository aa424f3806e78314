"""The session of a cluster against an engine of the tests' own."""

from __future__ import annotations

import time
from collections import OrderedDict
from pathlib import Path

import pytest

from daglite.exceptions import ExecutionError, TransferError
from daglite.runtime.engines.clusters import engine as sessions, worker_state as rounds
from daglite.runtime.engines.clusters.engine import ClusterEngine
from daglite.runtime.engines.clusters.messages import JobOutcome, pack
from daglite.runtime.engines.clusters.transport import (
    Endpoint,
    EngineLost,
    JobFailed,
    JobFinished,
    NodeJoined,
    NodeLeft,
)
from daglite.runtime.kernel.timers import TimerReading, pack_reading
from tests.engines.clusters.engine import ONE, TWO, FakeTransport, made, values, work_item


def test_a_chunk_is_done_and_answered() -> None:
    transport = FakeTransport(ONE)
    engine = ClusterEngine(transport)
    program = engine.install([made(lambda x: x * 2)])
    engine.submit(work_item(7, program, engine, 1, 2, 3))
    transport.work(transport.sent[0])
    (work_result,) = engine.poll(None)
    assert (work_result.seq, work_result.kind, work_result.completed, values(engine, work_result)) == (
        7,
        "done",
        3,
        [2, 4, 6],
    )
    engine.close()
    assert transport.dropped == [transport.sent[0].job.run]
    assert transport.closed == 1


def test_a_small_program_goes_along_until_its_worker_has_answered() -> None:
    transport = FakeTransport(ONE)
    engine = ClusterEngine(transport)
    program = engine.install([made(lambda x: x)])
    engine.submit(work_item(0, program, engine, 1))
    engine.submit(work_item(1, program, engine, 2))
    transport.work(transport.sent[0])
    assert len(engine.poll(None)) == 1
    engine.submit(work_item(2, program, engine, 3))
    assert [one.job.body is not None for one in transport.sent] == [True, True, False]


def test_a_large_program_goes_once() -> None:
    transport = FakeTransport(ONE)
    engine = ClusterEngine(transport)
    table = bytes(100_000)
    program = engine.install([made(lambda x: x + len(table))])
    engine.submit(work_item(0, program, engine, 1))
    engine.submit(work_item(1, program, engine, 2))
    assert [one.job.body is not None for one in transport.sent] == [True, False]


def test_a_worker_that_lacks_something_says_so_and_gets_it() -> None:
    """Chunks may overtake each other on the way: then the second one has come before the program."""
    transport = FakeTransport(ONE)
    engine = ClusterEngine(transport)
    table = bytes(100_000)
    program = engine.install([made(lambda x: x + len(table))])
    engine.submit(work_item(0, program, engine, 1))
    engine.submit(work_item(1, program, engine, 2))
    transport.work(transport.sent[1])
    assert engine.poll(None) == []
    again = transport.sent[2]
    assert again.job.body is not None
    transport.work(again)
    (work_result,) = engine.poll(None)
    assert (work_result.seq, values(engine, work_result)) == (1, [100_002])
    assert engine.credits() == 1


def test_a_worker_that_has_forgotten_the_run_gets_all_of_it_again(monkeypatch: pytest.MonkeyPatch) -> None:
    """It may have worked for many others meanwhile."""
    transport = FakeTransport(ONE)
    engine = ClusterEngine(transport)

    class Point:
        x = 1

    program = engine.install([made(lambda x: x.x)])
    for seq in range(2):
        engine.submit(work_item(seq, program, engine, engine.codec.serialize(Point())))
        if seq == 1:
            monkeypatch.setattr(rounds, "_RUNS", OrderedDict())
        transport.work(transport.sent[-1])
        work_results = engine.poll(None)
    assert work_results == []
    again = transport.sent[-1].job
    assert (transport.sent[1].job.base, again.base, len(again.definitions)) == (1, 0, 1)
    transport.work(transport.sent[-1])
    assert [values(engine, work_result) for work_result in engine.poll(None)] == [[1]]


def test_definitions_reach_a_worker_once_and_in_order() -> None:
    transport = FakeTransport(ONE)
    engine = ClusterEngine(transport)

    class Point:
        x = 1

    program = engine.install([made(lambda x: x.x)])
    engine.submit(work_item(0, program, engine, engine.codec.serialize(Point())))
    transport.work(transport.sent[0])
    (work_result,) = engine.poll(None)
    assert values(engine, work_result) == [1]

    class Other:
        x = 2

    engine.submit(work_item(1, program, engine, engine.codec.serialize(Other())))
    engine.submit(work_item(2, program, engine, engine.codec.serialize(Point())))
    first, second, third = [one.job for one in transport.sent]
    assert (first.base, len(first.definitions)) == (0, 1)
    assert (second.base, len(second.definitions), third.base) == (1, 1, 1)
    # The later one comes first: it brings all it needs.
    transport.work(transport.sent[2])
    transport.work(transport.sent[1])
    assert [values(engine, work_result) for work_result in engine.poll(None)] == [[1], [2]]


def test_all_that_a_worker_had_is_lost_with_it_and_may_have_begun() -> None:
    transport = FakeTransport(ONE, TWO)
    engine = ClusterEngine(transport)
    program = engine.install([made(lambda x: x)])
    for seq in range(4):
        engine.submit(work_item(seq, program, engine, seq))
    assert [one.endpoint for one in transport.sent] == ["one", "two", "one", "two"]
    assert engine.credits() == 0
    transport.event_queue.post(NodeLeft("two"))
    lost = engine.poll(None)
    assert [(work_result.seq, work_result.kind, work_result.started, work_result.worker) for work_result in lost] == [
        (1, "lost", True, 22),
        (3, "lost", True, 22),
    ]
    assert "worker two left the Test cluster" in lost[0].hint
    assert transport.cancelled == [transport.sent[1].ticket, transport.sent[3].ticket]
    # What comes late is nobody's: the chunk has been sent again, or will be.
    transport.work(transport.sent[1])
    assert engine.poll(0.0) == []


def test_a_job_for_a_process_that_has_ended_is_lost_and_not_done_by_the_next(tmp_path: Path) -> None:
    """A worker that was started again at the same address must not do what its predecessor may have done."""
    transport = FakeTransport(Endpoint("one", 1, process="another", pid=1))
    engine = ClusterEngine(transport)
    note = tmp_path / "note"
    engine.submit(work_item(0, engine.install([made(lambda x: note.write_text("done"))]), engine, 1))
    transport.work(transport.sent[0])
    (work_result,) = engine.poll(None)
    assert (work_result.kind, work_result.started, note.exists()) == ("lost", True, False)


def test_after_a_loss_suspects_are_alone_with_their_worker() -> None:
    transport = FakeTransport(Endpoint("one", 2), Endpoint("two", 2))
    engine = ClusterEngine(transport)
    program = engine.install([made(lambda x: x)])
    # Before it, a single call takes one slot of its worker.
    engine.submit(work_item(0, program, engine, 0, exclusive=True))
    engine.submit(work_item(1, program, engine, 0, exclusive=True))
    engine.submit(work_item(2, program, engine, 0, exclusive=True))
    transport.event_queue.post(NodeLeft("two"))
    assert len(engine.poll(None)) == 1
    assert not engine.has_idle_worker()
    for one in transport.sent[::2]:
        transport.work(one)
    assert len(engine.poll(None)) == 2
    engine.submit(work_item(3, program, engine, 0, exclusive=True))
    assert (engine.has_idle_worker(), engine.credits()) == (False, 0)
    transport.work(transport.sent[-1])
    assert len(engine.poll(None)) == 1
    assert (engine.has_idle_worker(), engine.credits()) == (True, 4)


def test_an_engine_whose_jobs_die_alone_suspects_nobody_else() -> None:
    transport = FakeTransport(Endpoint("all", 3, pooled=True))
    engine = ClusterEngine(transport)
    program = engine.install([made(lambda x: x)])
    engine.submit(work_item(0, program, engine, 0))
    engine.submit(work_item(1, program, engine, 0))
    transport.event_queue.post(JobFailed(transport.sent[0].ticket, "its process crashed", lost=True))
    (work_result,) = engine.poll(None)
    assert (work_result.seq, work_result.kind, work_result.hint) == (0, "lost", "its process crashed")
    assert engine.has_idle_worker()
    engine.submit(work_item(2, program, engine, 0, exclusive=True))
    assert engine.has_idle_worker()


def test_what_an_engine_cannot_run_ends_the_run() -> None:
    transport = FakeTransport(ONE)
    engine = ClusterEngine(transport)
    program = engine.install([made(lambda x: x)])
    engine.submit(work_item(0, program, engine, 0))
    transport.event_queue.post(
        JobFailed(transport.sent[0].ticket, "ModuleNotFoundError: No module named 'daglite'", lost=False)
    )
    with pytest.raises(TransferError, match=r"Test could not run a job: ModuleNotFoundError.*is daglite in"):
        engine.poll(None)
    transport.event_queue.post(EngineLost("it is gone"))
    with pytest.raises(ExecutionError, match="it is gone"):
        engine.poll(None)
    engine.submit(work_item(1, program, engine, 0))
    transport.event_queue.post(
        JobFinished(transport.sent[-1].ticket, pack(JobOutcome("refused", "x", 1, text="of another make")))
    )
    with pytest.raises(ExecutionError, match="a worker of the Test cluster refused a job: of another make"):
        engine.poll(None)


def test_a_cluster_that_stays_without_workers_ends_the_run(monkeypatch: pytest.MonkeyPatch) -> None:
    transport = FakeTransport(ONE)
    engine = ClusterEngine(transport)
    transport.event_queue.post(NodeLeft("one"))
    assert engine.poll(None) == []
    assert (engine.credits(), engine.has_idle_worker()) == (0, False)
    transport.event_queue.post(NodeJoined(TWO))
    assert engine.poll(0.0) == []
    assert engine.credits() == 2
    monkeypatch.setattr(sessions, "_WITHOUT_WORKERS", 0.01)
    transport.event_queue.post(NodeLeft("two"))
    engine.poll(None)
    with pytest.raises(ExecutionError, match=r"all workers of the Test cluster have been gone for 0\.01 s"):
        engine.poll(None)


def test_a_kept_session_begins_each_run_from_nothing() -> None:
    transport = FakeTransport(ONE)
    engine = ClusterEngine(transport)
    program = engine.install([made(lambda x: x)])
    engine.submit(work_item(0, program, engine, 0))
    engine.reset()
    assert transport.cancelled == [transport.sent[0].ticket]
    assert transport.dropped == [transport.sent[0].job.run]
    transport.work(transport.sent[0])
    assert engine.poll(0.0) == []
    assert engine.credits() == 2
    program = engine.install([made(lambda x: x)])
    engine.submit(work_item(1, program, engine, 0))
    assert transport.sent[1].job.run != transport.sent[0].job.run
    assert transport.sent[1].job.body is not None


def test_batches_aim_at_what_the_engine_stands() -> None:
    assert ClusterEngine(FakeTransport(ONE)).batch_policy.aim == 0.05
    assert ClusterEngine(FakeTransport(Endpoint("all", 1000, pooled=True))).batch_policy.aim == 2.0


def test_a_call_over_its_limit_is_told_while_it_goes_on() -> None:
    transport = FakeTransport(ONE)
    engine = ClusterEngine(transport)
    step = made(lambda x: time.sleep(2) if x == 2 else x, timeout=0.1)
    engine.submit(work_item(0, engine.install([step]), engine, 0, 1, 2, 3))
    transport.work(transport.sent[0])
    (work_result,) = engine.poll(None)
    assert (work_result.kind, work_result.completed, work_result.step) == ("overdue", 2, 0)
    assert "goes on" in work_result.hint


def test_the_clock_of_workers_is_measured_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Measured anew for each answer, with a pause between two looks, one batch would seem to overlap the next."""
    transport = FakeTransport(ONE)
    engine = ClusterEngine(transport)
    program = engine.install([made(lambda x: x)])
    engine.submit(work_item(0, program, engine, 1))
    day, now = time.time(), time.perf_counter()
    monkeypatch.setattr(time, "time", lambda: day + 60.0)
    outcome = JobOutcome("done", "x", 1, began=day - 1.0, reading=pack_reading(TimerReading(0.0, ())))
    one = [bytes(segment) for segment in engine.codec.pack([1])]
    transport.event_queue.post(JobFinished(transport.sent[0].ticket, pack(outcome, one)))
    (work_result,) = engine.poll(None)
    assert work_result.reading is not None
    assert work_result.reading.began == pytest.approx(now - 1.0, abs=0.5)
