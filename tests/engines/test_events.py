"""What observers are told: which events, when, and nothing where nobody asked."""

from __future__ import annotations

import itertools
import logging
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

import daglite
from daglite.events import (
    BatchCompleted,
    CompletedLocally,
    Delivered,
    Event,
    Heartbeat,
    Lost,
    Pulled,
    RunEnded,
    RunStarted,
    Sent,
    StageEnded,
    StageStarted,
    StreamOpened,
    Waited,
    WorkerEnded,
    WorkerStarted,
)
from daglite.exceptions import ParameterError
from daglite.options import RuntimeName
from daglite.program import steps_of
from daglite.runtime.kernel.work import WorkResult
from daglite.runtime.metrics import observers
from daglite.runtime.scheduler import bind_stream
from tests.unit.observe.recording import (
    Recorder,
    count_up,
    dies_once,
    fold,
    plus_one,
    sleepy,
    square,
    total_of,
)

FOLDED = count_up.iter(n=200).then(square).then(plus_one).reduce(fold, initial=0)
SUM = sum(x * x + 1 for x in range(200))
BATCH_EVENTS = (Pulled, Sent, BatchCompleted, Delivered, Waited, CompletedLocally)


@pytest.mark.parametrize("detail", ["stages", "batches", "steps"])
def test_a_run_is_told_from_its_beginning_to_its_end(runtime: RuntimeName, detail: daglite.events.Detail) -> None:
    seen = Recorder(detail)
    assert FOLDED.run(runtime=runtime, workers=2, observers=[seen]) == SUM

    events = [event for event in seen.events if not isinstance(event, Heartbeat)]
    assert isinstance(events[0], RunStarted)
    assert isinstance(events[-1], RunEnded)
    assert events[-1].error is None
    assert [event.stage for event in seen.of(StageStarted)] == [event.stage for event in seen.of(StageEnded)] == [0]
    assert any(isinstance(event, BATCH_EVENTS) for event in events) is (detail != "stages")


@pytest.mark.parametrize("name", ["processes", "threads"])
def test_batches_add_up_to_the_items(name: RuntimeName) -> None:
    """Each item is pulled once, sent once, answered once and delivered once."""
    seen = Recorder()
    assert FOLDED.run(runtime=name, workers=2, observers=[seen]) == SUM

    for counts in (
        [event.items for event in seen.of(Pulled)],
        [event.items for event in seen.of(Sent)],
        [event.done for event in seen.of(BatchCompleted)],
        [event.items for event in seen.of(Delivered)],
    ):
        assert sum(counts) == 200
    assert [event.batch for event in seen.of(Sent)] == sorted(event.batch for event in seen.of(BatchCompleted))
    workers = {event.worker for event in seen.of(WorkerStarted)}
    assert {event.worker for event in seen.of(BatchCompleted)} <= workers
    assert all(event.sent <= event.at and event.seconds <= event.at - event.sent for event in seen.of(BatchCompleted))


def test_events_come_by_the_batch_and_not_by_the_item() -> None:
    seen = Recorder("steps")
    count_up.iter(n=20_000).then(square).reduce(fold, initial=0).run(workers=1, observers=[seen])

    assert len(seen.events) < 2_000


def test_steps_are_clocked_only_for_those_who_ask(runtime: RuntimeName) -> None:
    coarse, fine = Recorder("batches"), Recorder("steps")
    FOLDED.run(runtime=runtime, workers=1, observers=[coarse])
    FOLDED.run(runtime=runtime, workers=1, observers=[fine])

    assert not coarse.times()
    times = fine.times()
    for step in (1, 2):
        assert sum(one.begun for one in times if one.step == step) == 200
        assert sum(one.returned for one in times if one.step == step) == 200
        assert sum(one.seconds for one in times if one.step == step) > 0


def test_repeated_attempts_are_counted(runtime: RuntimeName) -> None:
    failed: set[int] = set()

    def moody(x: int) -> int:
        if x not in failed:
            failed.add(x)
            raise ValueError("not at once")
        return x

    seen = Recorder("steps")
    asked = daglite.task(moody, retries=1).map(x=[1, 2, 3])
    assert asked.run(runtime=runtime, workers=1, observers=[seen]) == [1, 2, 3]

    times = seen.times()
    assert sum(one.repeated for one in times) == 3
    assert sum(one.begun for one in times if one.step == 0) == 3


def test_without_observers_there_are_no_recorders(monkeypatch: pytest.MonkeyPatch) -> None:
    """A run without observers pays nothing: none of the recorders is even made."""

    def refuse(*_: object, **__: object) -> None:
        raise AssertionError("a recorder was made")

    for name in ("RunObservers", "BatchRecorder", "StreamGauge"):
        monkeypatch.setattr(observers, name, refuse)
    monkeypatch.setattr(bind_stream, "LocalRecorder", refuse)

    assert FOLDED.run(workers=1) == SUM
    assert FOLDED.run(runtime="inline") == SUM
    with pytest.raises(AssertionError, match="a recorder was made"):
        FOLDED.run(workers=1, observers=[Recorder("stages")])


def test_a_full_window_is_what_is_waited_for() -> None:
    seen = Recorder()
    slow = daglite.compile(count_up.iter(n=6).then(sleepy), max_in_flight=1)
    slow.run(workers=2, observers=[seen])
    assert "max_in_flight" in {event.on for event in seen.of(Waited)}
    assert sum(event.seconds for event in seen.of(Waited) if event.on == "max_in_flight") > 0.05
    # A look that finds something at once is no wait.
    assert all(event.seconds > 0.00005 for event in seen.of(Waited))
    assert all(event.in_flight <= 1 for event in seen.of(Pulled))

    busy = Recorder()
    count_up.iter(n=6).then(sleepy).run(workers=1, observers=[busy])
    assert {event.on for event in busy.of(Waited)} == {"workers"}


def test_a_death_is_told(tmp_path: Path) -> None:
    seen = Recorder()
    stream = count_up.iter(n=20).then(dies_once, at=5, mark=str(tmp_path / "died"))
    assert stream.run(workers=1, observers=[seen]) == list(range(20))

    (ended,) = seen.of(WorkerEnded)
    assert (ended.why, ended.exitcode) == ("died", 3)
    assert seen.of(WorkerStarted)[0].worker == ended.worker
    assert len(seen.of(WorkerStarted)) == 2
    lost = [event for event in seen.of(Lost) if event.started]
    assert [event.worker for event in lost] == [ended.worker]
    assert lost[0].first <= 5 < lost[0].first + lost[0].items
    assert sum(event.items for event in seen.of(Sent)) == 20 + sum(event.items for event in seen.of(Lost))


def test_workers_that_are_renewed_or_overdue_are_told() -> None:
    renewed = Recorder("stages")
    count_up.iter(n=6).then(square).run(workers=1, max_items_per_worker=2, observers=[renewed])
    assert {event.why for event in renewed.of(WorkerEnded)} == {"renewed"}

    late = Recorder("stages")
    with pytest.raises(TimeoutError, match="took longer"):
        sleepy.with_options(timeout=0.1).map(x=[1], seconds=[60]).run(workers=1, observers=[late])
    assert [event.why for event in late.of(WorkerEnded)] == ["overdue"]


def test_the_error_of_a_run_is_told(runtime: RuntimeName) -> None:
    def bad(x: int) -> int:
        raise ValueError("never")

    seen = Recorder()
    with pytest.raises(ValueError, match="never") as caught:
        daglite.task(bad).map(x=[1]).run(runtime=runtime, workers=1, observers=[seen])

    (ended,) = seen.of(RunEnded)
    assert ended.error is caught.value
    assert not seen.of(StageEnded)


def test_streams_and_async_runs_are_told(runtime: RuntimeName) -> None:
    seen = Recorder()
    with daglite.compile(count_up.iter(n=50).then(square)).stream(
        runtime=runtime, workers=1, observers=[seen]
    ) as items:
        assert next(items) == 0
    assert len(seen.of(RunStarted)) == len(seen.of(RunEnded)) == 1
    assert seen.of(RunEnded)[0].error is None

    whole = Recorder()
    assert list(daglite.compile(square.map(x=[1, 2])).stream(runtime=runtime, workers=1, observers=[whole])) == [1, 4]
    assert [type(event) for event in whole.events if isinstance(event, RunEnded | StageEnded)] == [StageEnded, RunEnded]


def test_a_stream_nobody_reads_tells_nothing() -> None:
    seen = Recorder()
    daglite.compile(square.map(x=[1])).stream(observers=[seen]).close()
    assert seen.events == []


@pytest.mark.parametrize("optimize", [True, False])
def test_every_stage_is_told(runtime: RuntimeName, optimize: bool) -> None:
    """Single calls, generators, joins: beside each other or in turn, optimised or not."""
    pipeline = fold(total=total_of(items=count_up(n=5)), x=count_up.iter(n=4).then(square).join(total_of))
    plan = daglite.compile(pipeline, optimize=optimize)
    seen = Recorder("steps")
    assert plan.run(runtime=runtime, workers=2, observers=[seen]) == 10 + 14

    stages = list(range(len(plan.program.stages)))
    assert sorted(event.stage for event in seen.of(StageStarted)) == stages
    assert sorted(event.stage for event in seen.of(StageEnded)) == stages
    worked = {one.step for one in seen.times()}
    pulled = {2} if seen.of(Pulled) else set[int]()
    assert worked | pulled == {step.number for stage in plan.program.stages for step in steps_of(stage)}


def test_the_length_is_known_of_lists(runtime: RuntimeName) -> None:
    def length(stream: daglite.Future[list[int]]) -> int | None:
        seen = Recorder("stages")
        stream.run(runtime=runtime, workers=1, observers=[seen])
        return seen.of(StreamOpened)[0].length

    assert length(square.map(x=[1, 2, 3])) == 3
    assert length(fold.map(total=[1, 2], x=[1, 2, 3], map_mode="product")) == 6
    assert length(count_up.iter(n=3).then(square)) is None


def test_gauges_can_be_read_while_it_runs(runtime: RuntimeName) -> None:
    read: list[tuple[int, int]] = []

    class Reader:
        detail = "batches"

        def on_event(self, event: Event, /) -> None:
            if isinstance(event, StreamOpened):
                self.gauge = event.gauge
            elif isinstance(event, Delivered | CompletedLocally):
                read.append((self.gauge.pulled, self.gauge.done))

    stream = daglite.compile(count_up.iter(n=30).then(sleepy, seconds=0.002), max_in_flight=4)
    reader = Reader()
    stream.run(runtime=runtime, workers=1, observers=[reader])

    assert len(read) > 2
    assert all(0 <= pulled - done <= 4 for pulled, done in read)
    assert (reader.gauge.pulled, reader.gauge.done, reader.gauge.in_flight) == (30, 30, 0)
    assert 1 <= reader.gauge.peak <= 4


def test_beats_come_while_workers_are_busy(runtime: RuntimeName) -> None:
    seen = Recorder("stages")
    sleepy.map(x=range(4), seconds=[0.3] * 4).run(runtime=runtime, workers=1, observers=[seen])

    beats = [event.at for event in seen.of(Heartbeat)]
    assert len(beats) >= 3
    assert all(later - earlier >= 0.1 for earlier, later in itertools.pairwise(beats))


def test_an_observer_that_raises_is_left_out(caplog: pytest.LogCaptureFixture) -> None:
    told: list[Event] = []

    class Broken:
        def on_event(self, event: Event, /) -> None:
            told.append(event)
            raise ZeroDivisionError("mine")

    seen = Recorder()
    with caplog.at_level(logging.ERROR, "daglite"):
        assert square.map(x=[3]).run(workers=1, observers=[Broken(), seen]) == [9]

    assert len(told) == 1
    assert "an observer raised at RunStarted and receives no further events" in caplog.text
    assert seen.of(RunEnded)


def test_observers_are_called_by_one_thread_at_a_time() -> None:
    """The source is slow, so that the helper thread delivers what the caller still pulls."""
    inside = threading.Lock()
    clashes: list[Event] = []

    class Alone:
        detail = "steps"

        def on_event(self, event: Event, /) -> None:
            if not inside.acquire(blocking=False):
                clashes.append(event)
                return
            time.sleep(0.0005)
            inside.release()

    def slowly() -> Iterator[int]:
        for x in range(40):
            time.sleep(0.003)
            yield x

    daglite.task(slowly).iter().then(square).run(workers=2, observers=[Alone()])
    assert not clashes


def test_a_kept_pool_tells_each_run_its_own() -> None:
    first, second = Recorder(), Recorder()
    with daglite.runtime.Processes(workers=1, max_items_per_worker=4) as pool:
        square.map(x=[1, 2]).run(runtime=pool, observers=[first])
        # Its worker is renewed in the middle, which is no business of the run before.
        square.map(x=[3] * 5).run(runtime=pool)
        square.map(x=[4]).run(runtime=pool, observers=[second])

    for seen in (first, second):
        assert isinstance(seen.events[0], RunStarted)
        assert isinstance(seen.events[-1], RunEnded)
        assert len(seen.of(RunEnded)) == 1
    assert first.of(WorkerStarted)[0].worker != second.of(WorkerStarted)[0].worker


@pytest.mark.parametrize(
    ("options", "match"),
    [
        ({"observers": 5}, r"`observers` must be a list of objects with a method `on_event\(event\)`; got 5"),
        ({"observers": [5]}, r"`observers` must be a list"),
        ({"observers": [Recorder]}, r"takes objects, and 'Recorder' is a class: make one, `Recorder\(\)`"),
        ({"progress": "yes"}, r"`progress` must be True, False, None or a function of one argument; got 'yes'"),
        ({"trace": 5}, r"`trace` must be the name of a file; got 5"),
        ({"observers": [Recorder("all")]}, r"`detail` of an observer must be .*; got 'all'"),  # type: ignore[arg-type]
    ],
)
def test_wrong_values_are_refused(options: dict[str, object], match: str) -> None:
    with pytest.raises(ParameterError, match=match):
        square.map(x=[1]).run(**options)  # type: ignore[arg-type]  # what is tested


def test_replies_know_of_no_clock_by_default() -> None:
    assert WorkResult(1, "done").reading is None


def test_a_run_that_moves_to_workers_is_told_as_one() -> None:
    """`auto` begins here and goes on with threads: what both did adds up, for the gauge too."""
    seen = Recorder("steps")
    naps = count_up.iter(n=60).then(sleepy, seconds=0.01).reduce(fold, initial=0)
    assert naps.run(runtime="auto", observers=[seen]) == sum(range(60))

    first, second = seen.of(StreamOpened)
    assert (first.workers, second.workers > 0) == (0, True)
    here, there = (
        sum(event.items for event in seen.of(CompletedLocally)),
        sum(event.items for event in seen.of(Delivered)),
    )
    assert here > 0
    assert here + there == 60
    assert sum(one.returned for one in seen.times() if one.step == 1) == 60
    assert second.gauge.done == second.gauge.pulled == 60
