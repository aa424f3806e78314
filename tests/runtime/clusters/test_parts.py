"""Parts of folds that stay with the workers of a cluster, and suspects that say at which step they are."""

from __future__ import annotations

import pytest

from daglite.functions import describe
from daglite.records import replace
from daglite.runtime.engines.clusters.engine import ClusterEngine
from daglite.runtime.engines.clusters.messages import PROCESS
from daglite.runtime.engines.clusters.transport import Endpoint, JobFailed, NodeLeft
from daglite.runtime.kernel.steps import BoundStep
from daglite.runtime.kernel.work import BatchContext, PartialRef, WorkItem
from tests.runtime.clusters.engine import ONE, TWO, Engine, made, values, work_item


def folding(session: ClusterEngine) -> tuple[int, int]:
    """Programs that join numbers to a text, and such texts."""
    fold = BoundStep(3, describe(lambda text, x: f"{text}{x}", name="fold"), (), ("text", "x"), starts=(">", ""))
    both = BoundStep(3, describe(lambda a, b: a + b, name="both"), (), ("a", "b"))
    return session.install([fold]), session.install([both])


def held(session: ClusterEngine, engine: Engine, fold: int, *items: int) -> PartialRef:
    """The part of these items, which stays where it is made."""
    segments = session.codec.pack([*items])
    session.submit(WorkItem(items[0], fold, "batch", segments, len(items), items[0], keep=0))
    engine.work(engine.sent[-1])
    (work_result,) = session.poll(None)
    assert (work_result.kind, work_result.done, values(session, work_result)) == ("done", len(items), [])
    assert work_result.held is not None
    return work_result.held


def test_parts_stay_and_are_put_together_where_most_of_them_are() -> None:
    engine = Engine(ONE, TWO._replace(process=PROCESS))
    session = ClusterEngine(engine)
    fold, both = folding(session)
    parts = [held(session, engine, fold, 0, 1)]
    # Both spots are free, and the first is asked first; now it is not.
    session.submit(WorkItem(90, fold, "batch", session.codec.pack([0]), 1))
    parts.append(held(session, engine, fold, *range(2, 12)))
    assert [engine.sent[0].spot, engine.sent[2].spot] == ["one", "two"]

    session.combine(WorkItem(91, both, "combine", (), 0, keep=0, parts=parts))
    assert (engine.sent[-1].spot, engine.sent[-1].job_options.parts) == ("two", [part.ticket for part in parts])
    engine.work(engine.sent[-1])
    (work_result,) = session.poll(None)
    assert work_result.held is not None
    assert list(engine.parts) == [work_result.held.ticket]

    session.combine(WorkItem(92, both, "combine", (), 0, parts=[work_result.held]))
    engine.work(engine.sent[-1])
    (work_result,) = session.poll(None)
    assert (work_result.held, values(session, work_result)) == (None, [">01234567891011"])
    assert engine.parts == {}


def test_a_part_below_the_limit_comes_back() -> None:
    engine = Engine(ONE)
    session = ClusterEngine(engine)
    fold, _ = folding(session)
    session.submit(WorkItem(0, fold, "batch", session.codec.pack([7]), 1, 5, keep=1000))
    engine.work(engine.sent[0])
    (work_result,) = session.poll(None)
    assert (work_result.held, values(session, work_result), engine.parts) == (None, ["7"], {})


@pytest.mark.parametrize("leaves", ["one", "two"])
def test_a_worker_that_leaves_takes_its_parts_along(leaves: str) -> None:
    engine = Engine(ONE, TWO._replace(process=PROCESS))
    session = ClusterEngine(engine)
    fold, both = folding(session)
    parts = [held(session, engine, fold, 0)]
    session.submit(WorkItem(90, fold, "batch", session.codec.pack([0]), 1))
    parts += [held(session, engine, fold, 1), held(session, engine, fold, 2)]
    session.combine(WorkItem(91, both, "combine", (), 0, keep=0, parts=parts))
    assert engine.sent[-1].spot == "two"

    engine.event_queue.post(NodeLeft(leaves))
    work_results = {work_result.seq: work_result for work_result in session.poll(None)}
    lost = work_results[91]
    # Where its own worker lives on it has only to be sent again.
    missing = [0] if leaves == "one" else [1, 2]
    assert (lost.kind, lost.started, list(lost.missing)) == ("lost", leaves == "two", missing)
    assert engine.sent[-1].ticket in engine.cancelled
    left = [part.ticket for number, part in enumerate(parts) if number not in missing]
    assert list(engine.parts) == left

    session.combine(WorkItem(92, both, "combine", (), 0, keep=0, parts=parts))
    (again,) = session.poll(None)
    assert (again.kind, again.started, list(again.missing)) == ("lost", False, missing)


def test_an_engine_that_has_lost_a_part_says_so() -> None:
    engine = Engine(Endpoint("all", 3, alone=True))
    session = ClusterEngine(engine)
    fold, both = folding(session)
    parts = [held(session, engine, fold, 0), held(session, engine, fold, 1)]
    session.combine(WorkItem(9, both, "combine", (), 0, keep=0, parts=parts))
    engine.event_queue.post(JobFailed(engine.sent[-1].ticket, "an object is lost", lost=True, missing=True))
    (work_result,) = session.poll(None)
    assert (work_result.kind, work_result.started, list(work_result.missing)) == ("lost", False, [0, 1])
    assert engine.parts == {}


def test_what_goes_wrong_in_putting_together_is_told() -> None:
    engine = Engine(ONE)
    session = ClusterEngine(engine)
    fold, both = folding(session)
    fails = session.install([BoundStep(3, describe(lambda a, b: a // b, name="fails"), (), ("a", "b"))])
    parts = [held(session, engine, fold, 0), held(session, engine, fold, 1)]
    session.combine(WorkItem(9, fails, "combine", (), 0, keep=0, parts=parts))
    engine.work(engine.sent[-1])
    (work_result,) = session.poll(None)
    assert work_result.error is not None
    assert (work_result.kind, work_result.step, type(work_result.error[0])) == ("failed", 3, TypeError)
    # They are there as before.
    session.combine(WorkItem(10, both, "combine", (), 0, parts=parts))
    engine.work(engine.sent[-1])
    assert [values(session, work_result) for work_result in session.poll(None)] == [[">01"]]


def test_the_end_of_a_run_gives_all_parts_free() -> None:
    engine = Engine(ONE)
    session = ClusterEngine(engine)
    fold, _ = folding(session)
    held(session, engine, fold, 0)
    session.reset()
    assert engine.parts == {}


def test_a_suspect_says_at_which_step_it_is() -> None:
    """Only where somebody will make something of it, and only of the steps that are guarded."""
    engine = Engine(ONE)
    session = ClusterEngine(engine)
    first, last = made(lambda x: x), replace(made(lambda x: x, on_error="skip"), number=5)
    programs = session.install([first]), session.install([first, last])
    for program, quarantined in ((programs[0], True), (programs[1], False), (programs[1], True)):
        notes = BatchContext(quarantined=quarantined)
        session.submit(work_item(0, program, session, 1)._replace(notes=notes))
        engine.work(engine.sent[-1])
        assert len(session.poll(None)) == 1
    assert [one.job_options.marks for one in engine.sent] == [False, False, True]
    assert engine.marks == [5, -1]
    session.submit(work_item(1, programs[1], session, 1)._replace(notes=BatchContext(quarantined=True)))
    engine.event_queue.post(NodeLeft("one", {engine.sent[-1].ticket: 5}))
    (work_result,) = session.poll(None)
    assert (work_result.kind, work_result.step) == ("lost", 5)
