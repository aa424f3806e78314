"""Parts of folds that stay with the workers of a cluster, and suspects that say at which step they are."""

from __future__ import annotations

import pytest

from daglite.functions import describe
from daglite.records import replace
from daglite.runtime.engines.clusters.engine import ClusterEngine
from daglite.runtime.engines.clusters.messages import PROCESS
from daglite.runtime.engines.clusters.transport import Endpoint, JobFailed, NodeLeft
from daglite.runtime.kernel.bound_step import BoundStep
from daglite.runtime.kernel.work import BatchContext, PartialRef, WorkItem
from tests.engines.clusters.engine import ONE, TWO, FakeTransport, made, values, work_item


def folding(engine: ClusterEngine) -> tuple[int, int]:
    """Programs that join numbers to a text, and such texts."""
    fold = BoundStep(3, describe(lambda text, x: f"{text}{x}", name="fold"), (), ("text", "x"), starts=(">", ""))
    both = BoundStep(3, describe(lambda a, b: a + b, name="both"), (), ("a", "b"))
    return engine.install([fold]), engine.install([both])


def held(engine: ClusterEngine, transport: FakeTransport, fold: int, *items: int) -> PartialRef:
    """The part of these items, which stays where it is made."""
    segments = engine.codec.pack([*items])
    engine.submit(WorkItem(items[0], fold, "batch", segments, len(items), items[0], partial_threshold=0))
    transport.work(transport.sent[-1])
    (work_result,) = engine.poll(None)
    assert (work_result.kind, work_result.completed, values(engine, work_result)) == ("done", len(items), [])
    assert work_result.partial is not None
    return work_result.partial


def test_parts_stay_and_are_put_together_where_most_of_them_are() -> None:
    transport = FakeTransport(ONE, TWO._replace(process=PROCESS))
    engine = ClusterEngine(transport)
    fold, both = folding(engine)
    parts = [held(engine, transport, fold, 0, 1)]
    # Both spots are free, and the first is asked first; now it is not.
    engine.submit(WorkItem(90, fold, "batch", engine.codec.pack([0]), 1))
    parts.append(held(engine, transport, fold, *range(2, 12)))
    assert [transport.sent[0].endpoint, transport.sent[2].endpoint] == ["one", "two"]

    engine.combine(WorkItem(91, both, "combine", (), 0, partial_threshold=0, partials=parts))
    assert (transport.sent[-1].endpoint, transport.sent[-1].job_options.partials) == (
        "two",
        [part.ticket for part in parts],
    )
    transport.work(transport.sent[-1])
    (work_result,) = engine.poll(None)
    assert work_result.partial is not None
    assert list(transport.parts) == [work_result.partial.ticket]

    engine.combine(WorkItem(92, both, "combine", (), 0, partials=[work_result.partial]))
    transport.work(transport.sent[-1])
    (work_result,) = engine.poll(None)
    assert (work_result.partial, values(engine, work_result)) == (None, [">01234567891011"])
    assert transport.parts == {}


def test_a_part_below_the_limit_comes_back() -> None:
    transport = FakeTransport(ONE)
    engine = ClusterEngine(transport)
    fold, _ = folding(engine)
    engine.submit(WorkItem(0, fold, "batch", engine.codec.pack([7]), 1, 5, partial_threshold=1000))
    transport.work(transport.sent[0])
    (work_result,) = engine.poll(None)
    assert (work_result.partial, values(engine, work_result), transport.parts) == (None, ["7"], {})


@pytest.mark.parametrize("leaves", ["one", "two"])
def test_a_worker_that_leaves_takes_its_parts_along(leaves: str) -> None:
    transport = FakeTransport(ONE, TWO._replace(process=PROCESS))
    engine = ClusterEngine(transport)
    fold, both = folding(engine)
    parts = [held(engine, transport, fold, 0)]
    engine.submit(WorkItem(90, fold, "batch", engine.codec.pack([0]), 1))
    parts += [held(engine, transport, fold, 1), held(engine, transport, fold, 2)]
    engine.combine(WorkItem(91, both, "combine", (), 0, partial_threshold=0, partials=parts))
    assert transport.sent[-1].endpoint == "two"

    transport.event_queue.post(NodeLeft(leaves))
    work_results = {work_result.seq: work_result for work_result in engine.poll(None)}
    lost = work_results[91]
    # Where its own worker lives on it has only to be sent again.
    missing = [0] if leaves == "one" else [1, 2]
    assert (lost.kind, lost.started, list(lost.missing_partials)) == ("lost", leaves == "two", missing)
    assert transport.sent[-1].ticket in transport.cancelled
    left = [part.ticket for number, part in enumerate(parts) if number not in missing]
    assert list(transport.parts) == left

    engine.combine(WorkItem(92, both, "combine", (), 0, partial_threshold=0, partials=parts))
    (again,) = engine.poll(None)
    assert (again.kind, again.started, list(again.missing_partials)) == ("lost", False, missing)


def test_an_engine_that_has_lost_a_part_says_so() -> None:
    transport = FakeTransport(Endpoint("all", 3, pooled=True))
    engine = ClusterEngine(transport)
    fold, both = folding(engine)
    parts = [held(engine, transport, fold, 0), held(engine, transport, fold, 1)]
    engine.combine(WorkItem(9, both, "combine", (), 0, partial_threshold=0, partials=parts))
    transport.event_queue.post(JobFailed(transport.sent[-1].ticket, "an object is lost", lost=True, partials_lost=True))
    (work_result,) = engine.poll(None)
    assert (work_result.kind, work_result.started, list(work_result.missing_partials)) == ("lost", False, [0, 1])
    assert transport.parts == {}


def test_what_goes_wrong_in_putting_together_is_told() -> None:
    transport = FakeTransport(ONE)
    engine = ClusterEngine(transport)
    fold, both = folding(engine)
    fails = engine.install([BoundStep(3, describe(lambda a, b: a // b, name="fails"), (), ("a", "b"))])
    parts = [held(engine, transport, fold, 0), held(engine, transport, fold, 1)]
    engine.combine(WorkItem(9, fails, "combine", (), 0, partial_threshold=0, partials=parts))
    transport.work(transport.sent[-1])
    (work_result,) = engine.poll(None)
    assert work_result.error is not None
    assert (work_result.kind, work_result.step, type(work_result.error)) == ("failed", 3, TypeError)
    # They are there as before.
    engine.combine(WorkItem(10, both, "combine", (), 0, partials=parts))
    transport.work(transport.sent[-1])
    assert [values(engine, work_result) for work_result in engine.poll(None)] == [[">01"]]


def test_the_end_of_a_run_gives_all_parts_free() -> None:
    transport = FakeTransport(ONE)
    engine = ClusterEngine(transport)
    fold, _ = folding(engine)
    held(engine, transport, fold, 0)
    engine.reset()
    assert transport.parts == {}


def test_a_suspect_says_at_which_step_it_is() -> None:
    """Only where somebody will make something of it, and only of the steps that are guarded."""
    transport = FakeTransport(ONE)
    engine = ClusterEngine(transport)
    first, last = made(lambda x: x), replace(made(lambda x: x, on_error="skip"), number=5)
    programs = engine.install([first]), engine.install([first, last])
    for program, quarantined in ((programs[0], True), (programs[1], False), (programs[1], True)):
        notes = BatchContext(quarantined=quarantined)
        engine.submit(work_item(0, program, engine, 1)._replace(context=notes))
        transport.work(transport.sent[-1])
        assert len(engine.poll(None)) == 1
    assert [one.job_options.reports_step for one in transport.sent] == [False, False, True]
    assert transport.steps == [5, -1]
    engine.submit(work_item(1, programs[1], engine, 1)._replace(context=BatchContext(quarantined=True)))
    transport.event_queue.post(NodeLeft("one", {transport.sent[-1].ticket: 5}))
    (work_result,) = engine.poll(None)
    assert (work_result.kind, work_result.step) == ("lost", 5)
