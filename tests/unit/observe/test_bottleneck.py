"""When a report says that the coordinator was the bottleneck, and what explain expects of it."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Iterator
from typing import Any

import pytest

from daglite import Future, compile, task
from daglite.events import (
    BatchCompleted,
    Delivered,
    Event,
    Gauge,
    Pulled,
    RunEnded,
    RunStarted,
    StageEnded,
    StageStarted,
    StreamOpened,
    Waited,
)
from daglite.exceptions import ParameterError
from daglite.explain import ExplainFormat
from daglite.observe import Report
from daglite.observe.bottleneck import engine_of
from daglite.options import RuntimeName
from daglite.runtime import Inline, Processes, Threads
from daglite.scaling import ENGINE_COSTS, CoordinatorPart, StreamStats
from tests.paths import GOLDEN
from tests.samples import check_golden
from tests.unit.observe.recording import count_up, fold, plus_one, sleepy, square

PLAN = compile(count_up.iter(n=1000).then(square).reduce(fold, initial=0))


class _Counts:
    pulled = done = 1000
    in_flight = failed = 0
    peak = 20


COUNTS: Gauge = _Counts()


def told(
    *, source: float = 0.0, folded: float = 0.0, waited: float = 0.0, work: float, runtime: str = "processes"
) -> Report:
    """A report of ten seconds of the plan on four workers, in 100 batches, by a clock that the test makes."""
    report = Report()
    events: list[Event] = [
        RunStarted(0.0, PLAN.program, runtime),
        StageStarted(0.0, 0),
        StreamOpened(0.0, 0, 4, 2048, None, COUNTS),
        Pulled(1.0, 0, 0, 1000, 0, source, 20),
        BatchCompleted(2.0, 0, 1, 0, 1000, 1000, 0, work, 0.0, 7, False, None, ()),
        *[BatchCompleted(2.0, 0, number, 1000, 0, 0, 0, 0.0, 0.0, 7, False, None, ()) for number in range(2, 101)],
        Delivered(3.0, 0, 0, 1000, 0, folded),
        Waited(9.0, 0, "workers", waited),
        StageEnded(10.0, 0),
        RunEnded(10.0, None),
    ]
    for event in events:
        report.on_event(event)
    return report


def page(report: Report) -> str:
    return " ".join(str(report).split())


def test_a_slow_source_is_named_with_what_helps() -> None:
    report = told(source=9.0, waited=0.5, work=4.0)
    (sentence,) = report.bottlenecks
    assert sentence == (
        "stream 0: the coordinator was the bottleneck: at work for 95% of 10.0 s, while 4 workers had nothing to do "
        "for 90% of it; most of that in source 'count_up' (9.00 s): let workers run the source: `.iter_partitions`, "
        "or use 1 worker"
    )
    assert sentence in page(report)
    assert max(map(len, str(report).splitlines())) <= 80


def test_a_slow_fold_asks_for_combine() -> None:
    (sentence,) = told(source=1.0, folded=8.0, waited=0.95, work=25.0).bottlenecks
    assert (
        "most of that in fold 'fold' (8.00 s): let workers fold their own items: `.reduce(..., combine=...)`"
        in sentence
    )
    # 25 seconds of work in ten are two workers and a half.
    assert sentence.endswith("or use 2 workers")


def test_items_that_cost_more_to_move_than_to_work_on_ask_for_larger_ones() -> None:
    (sentence,) = told(source=1.0, folded=1.0, work=5.0).bottlenecks
    assert "most of that in moving items (8.00 s): make items larger: `.batch(n)`" in sentence


@pytest.mark.parametrize(
    ("waited", "work"),
    [
        (8.0, 38.0),  # the workers are the limit
        (0.5, 39.0),  # both have enough to do
        (8.0, 4.0),  # all wait: for a network, or for a scheduler
    ],
)
def test_other_runs_are_not_blamed_on_the_coordinator(waited: float, work: float) -> None:
    report = told(source=1.0, waited=waited, work=work)
    assert report.bottlenecks == ()
    assert "bottleneck" not in page(report)


def test_the_facts_are_there_for_programs() -> None:
    (stream,) = told(source=1.0, waited=8.0, work=30.0).streams
    assert (stream.busy, stream.work, stream.seconds) == (2.0, 30.0, 10.0)


def test_short_waits_and_those_for_a_consumer_count() -> None:
    report = told(source=1.0, waited=1.0, work=30.0)
    report.on_event(Waited(9.0, 0, "max_in_flight", 1.0, short=0.5))
    report.on_event(Waited(9.0, 0, "consumer", 2.0))
    assert report.streams[0].busy == 10.0 - 1.0 - 1.5 - 2.0


# Runs in which the coordinator truly is the bottleneck, and is not.


@task
def slow_count(n: int) -> Iterator[int]:
    for i in range(n):
        time.sleep(0.005)
        yield i


@task
def slow_fold(total: int, x: int) -> int:
    time.sleep(0.005)
    return total + x


@pytest.mark.parametrize(
    ("plan", "largest"),
    [
        (slow_count.iter(n=60).then(square).reduce(fold, initial=0), "source 'slow_count'"),
        (count_up.iter(n=60).then(square).reduce(slow_fold, initial=0), "fold 'slow_fold'"),
        (
            count_up.iter(n=60).then(plus_one).then(sleepy.with_options(on="coordinator"), seconds=0.005).then(square),
            "task 'sleepy'",
        ),
    ],
)
def test_a_run_whose_coordinator_is_slow_says_so(crew: RuntimeName, plan: Future[Any], largest: str) -> None:
    """Each of 60 items takes the coordinator 5 ms and its two workers next to nothing; they are there already."""
    report = Report()
    with Threads(workers=2) if crew == "threads" else Processes(workers=2) as runtime:
        square.map(x=[1, 2, 3, 4]).run(runtime=runtime)
        plan.run(runtime=runtime, observers=[report])
    (sentence,) = report.bottlenecks
    assert f"most of that in {largest}" in sentence


def test_a_run_whose_workers_are_slow_does_not(crew: RuntimeName) -> None:
    report = Report()
    count_up.iter(n=40).then(sleepy, seconds=0.02).reduce(fold, initial=0).run(
        runtime=crew, workers=2, observers=[report]
    )
    assert report.bottlenecks == ()
    (stream,) = report.streams
    assert stream.busy is not None
    assert stream.work >= 40 * 0.02


def test_a_slow_consumer_is_not_taken_for_the_coordinator() -> None:
    report = Report()
    with compile(count_up.iter(n=20).then(square)).stream(workers=2, observers=[report]) as items:
        for _ in items:
            time.sleep(0.02)
    assert report.bottlenecks == ()


# What explain expects.


def expected(report: Report | None = None, **options: Any) -> str:
    """The sentences, on one line."""
    rows = json.loads(PLAN.explain("json", report=report, **options))["coordinator"]
    return " ".join(rows)


@pytest.mark.parametrize("name", ["dask", "ray", "processes"])
def test_explain_tells_what_an_item_must_take(name: RuntimeName) -> None:
    text = PLAN.explain(runtime=name, workers=1000).partition("\n")[2]
    check_golden(GOLDEN / f"coordinator_{name}.txt", text)


def test_explain_warns_with_what_was_seen() -> None:
    """9 ms an item in the source: 20 ms of work each keep two workers busy, and no more."""
    report = told(source=9.0, waited=0.9, work=20.0)
    assert "enough for 2 workers" in expected(report, workers=2)
    assert "warning" not in expected(report, workers=2)
    text = PLAN.explain(report=report, workers=8).partition("\n")[2]
    check_golden(GOLDEN / "coordinator_seen.txt", text)
    assert "warning: the coordinator is the bottleneck: 8 workers would have nothing to do for 75% " in expected(
        report, workers=8
    )
    assert "let workers run the source: `.iter_partitions`, or use 2 workers" in expected(report, workers=8)


def test_explain_takes_runtime_and_workers_of_the_report_by_default() -> None:
    report = told(source=0.1, waited=9.0, work=39.0, runtime="Dask('tcp://host:8786')")
    assert expected(report) == expected(report, workers=4, runtime="dask")
    assert "(dask)" in expected(report)


def test_another_engine_is_calculated_with_its_own_toll() -> None:
    report = told(source=0.1, waited=9.0, work=39.0)
    assert "1.40 ms" not in expected(report, runtime="ray", workers=4)
    assert "460 us for each batch (ray)" in expected(report, runtime="ray", workers=4)


def test_a_run_without_workers_tells_enough_too() -> None:
    report = Report()
    PLAN.run(runtime="inline", observers=[report])
    assert re.search(r"seen to take [\d.]+ \w?s of workers, .* source 'count_up' ", expected(report, workers=4))


def test_a_stream_without_tasks_on_workers_is_warned_of() -> None:
    here = compile(count_up.iter(n=10).then(square.with_options(on="coordinator")).reduce(fold, initial=0))
    assert "warning: the coordinator is the bottleneck: no task of this stream runs on\n    workers" in here.explain(
        workers=4
    )
    parts = compile(count_up.iter(n=10).then(square).reduce(fold, initial=0, combine=fold))
    # Workers fold: only the source is left here.
    assert "times the time of source 'count_up' here" in " ".join(parts.explain(workers=4).split())


def test_streams_are_told_apart() -> None:
    two = compile(
        fold(
            total=count_up.iter(n=5).then(square).join(total_of_all),
            x=count_up.iter(n=4).then(square).join(total_of_all),
        )
    )
    text = two.explain(workers=4)
    assert "coordinator: stream 0: " in text
    assert "coordinator: stream 1: " in text


@task
def total_of_all(items: Any) -> int:
    return int(sum(items))


def test_inline_has_no_workers() -> None:
    assert "with runtime='inline' it does everything" in expected(runtime="inline")


def test_without_asking_nothing_is_said() -> None:
    assert "coordinator:" not in PLAN.explain()
    assert json.loads(PLAN.explain("json"))["coordinator"] == []


@pytest.mark.parametrize(
    ("options", "match"),
    [
        ({"runtime": "dask"}, "`explain` of a runtime needs `workers`, the number of them, or the `report` of a run"),
        ({"runtime": "nothing", "workers": 2}, "`runtime` must be one of"),
        ({"workers": 0}, "`workers` must be a whole number >= 1; got 0"),
        ({"report": "run.json"}, "`report` must be a `daglite.observe.Report`; got 'run.json'"),
        ({"report": Report()}, "`report` must be that of a run of this plan"),
        (
            {"format": "mermaid", "workers": 2},
            "`format` with `workers` must be one of 'text', 'verbose', 'json', 'html'; got 'mermaid'",
        ),
    ],
)
def test_what_cannot_be_told_is_refused(options: dict[str, Any], match: str) -> None:
    with pytest.raises(ParameterError, match=match):
        PLAN.explain(**options)


def test_the_report_of_another_plan_is_refused() -> None:
    report = Report()
    square.map(x=[1]).run(runtime="inline", observers=[report])
    with pytest.raises(ParameterError, match="this one has seen another, or none"):
        PLAN.explain(report=report)


@pytest.mark.parametrize("form", ["text", "verbose", "html"])
def test_all_forms_with_sentences_tell_it(form: ExplainFormat) -> None:
    assert "it is the bottleneck of 64" in " ".join(PLAN.explain(form, runtime="dask", workers=64).split())


def test_engines_are_known_by_name_url_and_object() -> None:
    assert engine_of("dask://host:8786") == "dask"
    assert [engine_of(repr(one)) for one in (Threads(), Inline(), Processes())] == ["threads", "inline", "processes"]
    assert engine_of("auto") == engine_of("<object>") == "processes"
    assert set(ENGINE_COSTS) == {"processes", "threads", "dask", "ray"}


def test_seen_is_made_of_what_the_steps_did() -> None:
    (seen,) = told(source=9.0, folded=0.4, waited=0.5, work=4.0).observed().streams.values()
    parts = (CoordinatorPart("source", "count_up", 9.0), CoordinatorPart("fold", "fold", 0.4))
    assert seen == StreamStats(10.0, 4, 1000, 100, 0, 9.5, 4.0, parts)
