"""What a report counts and times, and that its sums agree."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

import daglite
from daglite import task
from daglite.events import CompletedLocally, StepTime
from daglite.observe import Report
from daglite.options import RuntimeName
from tests.unit.observe.recording import count_up, dies_once, fold, plus_one, sleepy, square, total_of


@task
def slow_count(n: int) -> Iterator[int]:
    for i in range(n):
        time.sleep(0.005)
        yield i


@task
def second_of(pair: tuple[int, list[int]]) -> int:
    return sum(pair[1])


def grouped(total: int, pair: tuple[int, list[int]]) -> int:
    return total + sum(pair[1])


def second(total: int, pair: tuple[int, int]) -> int:
    return total + pair[1]


class Kept:
    """A store that counts."""

    saved = 0

    def save(self, key: str, value: object) -> None:
        self.saved += 1


PLAN = daglite.compile(count_up.iter(n=60).then(square).then(sleepy, seconds=0.002).reduce(fold, initial=0))


def test_items_flow_from_step_to_step(runtime: RuntimeName) -> None:
    """What goes into a step is what came out of the one before: counted at four places that know nothing of another."""
    report = Report()
    PLAN.run(runtime=runtime, workers=2, observers=[report])

    assert [step.task for step in report.steps] == ["count_up", "square", "sleepy", "fold"]
    assert [step.items_out for step in report.steps] == [60, 60, 60, 1]
    assert [step.items_in for step in report.steps] == [None, 60, 60, 60]


def test_times_fit_into_the_run(crew: RuntimeName) -> None:
    report = Report()
    PLAN.run(runtime=crew, workers=2, observers=[report])
    (stream,) = report.streams
    source, first, second, last = report.steps
    wall = report.seconds

    assert stream.workers == len(report.workers) == 2
    assert all(worker.busy >= 0 and worker.busy + worker.waiting <= wall * 1.001 for worker in report.workers)
    busy = sum(worker.busy for worker in report.workers)
    assert first.busy is not None
    assert second.busy is not None
    assert second.busy >= 60 * 0.002
    # The clocks of the steps are inside those of the batches.
    assert first.busy + second.busy <= busy
    assert first.waiting == pytest.approx(stream.workers * stream.seconds - busy)
    assert stream.seconds <= wall
    for seconds in (source.busy, source.waiting, source.blocked, last.busy):
        assert seconds is not None
        assert 0 <= seconds <= wall


def test_batches_and_bytes_agree(crew: RuntimeName) -> None:
    report = Report()
    PLAN.run(runtime=crew, workers=2, observers=[report])
    (stream,) = report.streams

    assert report.steps[1].batches == report.steps[2].batches == stream.batches
    assert sum(worker.batches for worker in report.workers) == stream.batches
    assert sum(worker.items for worker in report.workers) == 60
    assert report.steps[0].nbytes == stream.sent > 0
    assert report.steps[2].nbytes == stream.back > 0
    assert 1 <= stream.peak <= stream.max_in_flight


def test_a_window_that_blocks_is_seen() -> None:
    report = Report()
    daglite.compile(count_up.iter(n=5).then(sleepy, seconds=0.03), max_in_flight=1).run(workers=2, observers=[report])

    source = report.steps[0]
    assert source.blocked is not None
    assert source.blocked > 0.05
    assert report.streams[0].peak == report.streams[0].max_in_flight == 1


def test_deaths_and_what_they_cost_are_counted(tmp_path: Path) -> None:
    report = Report()
    mark = str(tmp_path / "died")
    count_up.iter(n=20).then(dies_once, at=5, mark=mark).run(workers=1, observers=[report])

    assert report.deaths == 1
    assert report.streams[0].lost >= 1
    assert len(report.workers) == 2
    assert report.steps[1].items_out is not None
    assert report.steps[1].items_out >= 20
    assert "workers that died: 1   items that lost their worker: " in str(report)


def test_repeated_attempts_are_counted() -> None:
    failed: set[int] = set()

    def moody(x: int) -> int:
        if x not in failed:
            failed.add(x)
            raise ValueError("not at once")
        return x

    report = Report()
    daglite.task(moody, retries=1).map(x=[1, 2, 3]).run(workers=1, observers=[report])
    assert report.steps[0].repeated == 3


def test_a_run_that_fails_is_reported_so_far(runtime: RuntimeName) -> None:
    def bad(x: int) -> int:
        if x == 7:
            raise ValueError("seven")
        return x

    report = Report()
    with pytest.raises(ValueError, match="seven"):
        count_up.iter(n=30).then(daglite.task(bad)).reduce(fold, initial=0).run(
            runtime=runtime, workers=1, observers=[report]
        )

    assert report.error == "ValueError"
    _, step, last = report.steps
    assert step.items_in is not None
    assert step.items_out is not None
    assert step.items_in == step.items_out + 1 >= 8
    assert last.items_out == 0
    assert "ended by ValueError" in str(report)


def test_calls_and_joins_are_reported(runtime: RuntimeName) -> None:
    report = Report()
    pipeline = fold(total=total_of(items=count_up(n=5)), x=count_up.iter(n=4).then(square).join(total_of))
    assert pipeline.run(runtime=runtime, workers=2, observers=[report]) == 24

    rows = {(step.task, step.items_out) for step in report.steps}
    assert rows == {("count_up", 1), ("total_of", 1), ("count_up", 4), ("square", 4), ("fold", 1)}
    join = next(step for step in report.steps if step.task == "total_of" and step.joined)
    assert (join.items_in, join.where) == (4, "coordinator")


def test_folds_on_workers_are_reported_there(crew: RuntimeName) -> None:
    report = Report()
    parts = count_up.iter(n=60).then(square).reduce(fold, initial=0, combine=fold)
    assert parts.run(runtime=crew, workers=2, observers=[report]) == sum(x * x for x in range(60))

    _, step, last = report.steps
    assert (step.items_in, step.items_out, last.items_in, last.items_out) == (60, 60, 60, 1)
    assert last.where == "workers"
    assert last.nbytes == report.streams[0].back


def test_a_report_serves_one_run_after_the_other() -> None:
    report = Report()
    square.map(x=[1, 2, 3]).run(runtime="inline", observers=[report])
    square.map(x=[1]).run(runtime="inline", observers=[report])
    assert [step.items_out for step in report.steps] == [1]


def test_a_report_without_a_run_says_so() -> None:
    report = Report()
    assert (report.steps, report.streams, report.workers) == ((), (), ())
    assert str(report) == "Report of no run yet: give it to one, `plan.run(observers=[report])`"


def test_the_page_shows_the_table_of_explain() -> None:
    report = Report()
    PLAN.run(workers=1, observers=[report])
    head, *lines = str(report).splitlines()

    assert re.fullmatch(r"run   ReduceFuture\[int\]   processes   [\d.]+ m?s   done", head)
    assert lines[0].split() == ["#", "where", "step", "in", "out", "bytes", "busy", "waiting"]
    rows = [line for line in lines if re.match(r" \d ", line)]
    assert rows[0].startswith(" 0    coordinator  iter count_up(n=60)")
    assert rows[1].startswith(" 1 +  workers      then square ")
    assert rows[2].startswith(" 2 +  workers      then sleepy(")
    assert rows[3].startswith(" 3 +  coordinator  reduce fold(initial=0)")
    told = " ".join(line.strip() for line in lines)
    assert re.search(
        r"stream 0: \d+ of 512 items in flight at most; .* back; blocked [\d.]+ \w?s by the in-flight limit", told
    )
    assert ["worker", "batches", "items", "busy", "waiting"] in [line.split() for line in lines]
    assert max(map(len, lines)) <= 80


@pytest.mark.parametrize("count", [60, 99_999_999])
def test_the_page_is_80_columns_wide(count: int) -> None:
    """Also where steps have long arguments, and there are many items."""

    @task
    def shown(x: int, currency_of_the_day: str, and_another_long_name: int = 0) -> int:
        return x

    stream = count_up.iter(n=2).then(shown, currency_of_the_day="GBP" * 8, and_another_long_name=1).batch(2)
    report = Report()
    daglite.compile(stream.then(total_of), max_in_flight=64).run(runtime="inline", observers=[report])
    more = [StepTime(step.number, 0.0, count, count - (step.items_out or 0), 0) for step in report.steps]
    report.on_event(CompletedLocally(0.0, 0, 0, 0.0, tuple(more)))
    lines = str(report).splitlines()
    assert max(map(len, lines)) <= 80
    assert f"{count:,}" in lines[2]
    # The name of a task is never cut.
    assert any(" then shown(" in line for line in lines)


def test_a_long_plan_is_reported_on_a_page() -> None:
    stream = count_up.iter(n=2).then(plus_one)
    for _ in range(499):
        stream = stream.then(plus_one)
    report = Report()
    assert stream.run(runtime="inline", observers=[report]) == [500, 501]

    assert len(report.steps) == 501
    lines = str(report).splitlines()
    assert len(lines) < 60
    assert any("... 461 more" in line for line in lines)


def test_segments_are_counted_apart() -> None:
    """A stream that goes to workers twice, with an operation and a task of the coordinator between."""
    here, threads = square.with_options(on="coordinator"), square.with_options(on="threads", workers=2)
    stream = count_up.iter(n=40).then(threads).then(here).batch(4).then(total_of).reduce(fold, initial=0)
    report = Report()
    stream.run(runtime="processes", workers=1, observers=[report])
    seen = [(step.task, step.where, step.items_in, step.items_out) for step in report.steps]
    assert seen == [
        ("count_up", "coordinator", None, 40),
        ("square", "workers", 40, 40),
        ("square", "coordinator", 40, 40),
        ("batch", "coordinator", 40, 10),
        ("total_of", "workers", 10, 10),
        ("fold", "coordinator", 10, 1),
    ]
    batches = [step.batches for step in report.steps]
    assert sum(batches[at] or 0 for at in (1, 4)) == report.streams[0].batches


def test_operations_are_counted_wherever_they_stand(runtime: RuntimeName) -> None:
    """Beside the source, between tasks on workers, and before the ending: what goes in is what came out before."""
    stream = count_up.iter(n=44).skip(4).save("item_{iteration_index}").batch(2).then(total_of)
    folded = stream.window(3).then(total_of).distinct().enumerate().reduce(task(second), initial=0)
    report, kept = Report(), Kept()
    folded.run(runtime=runtime, workers=2, observers=[report], store=kept)
    assert [(step.task, step.items_in, step.items_out) for step in report.steps] == [
        ("count_up", None, 44),
        ("skip", 44, 40),
        ("batch", 40, 20),
        ("total_of", 20, 20),
        ("window", 20, 18),
        ("total_of", 18, 18),
        ("distinct", 18, 18),
        ("enumerate", 18, 18),
        ("second", 18, 1),
    ]
    assert kept.saved == 40


@pytest.mark.parametrize("where", ["beside the source", "between workers", "before the ending"])
def test_the_time_of_an_operation_is_its_own(runtime: RuntimeName, where: str) -> None:
    @task(name="slow_key")
    def slow_key(x: int) -> int:
        time.sleep(0.005)
        return x // 4

    items = count_up.iter(n=40)
    stream = (items if where == "beside the source" else items.then(plus_one)).group_by(slow_key)
    report = Report()
    if where == "before the ending":
        stream.reduce(task(grouped), initial=0).run(runtime=runtime, workers=1, observers=[report])
    else:
        stream.then(second_of).reduce(fold, initial=0).run(runtime=runtime, workers=1, observers=[report])
    busy = {step.task: step.busy or 0.0 for step in report.steps}
    assert busy.pop("slow_key") >= 40 * 0.005
    assert sum(busy.values()) < 40 * 0.005


def test_the_time_in_which_an_operation_waits_for_items_is_not_its_own(runtime: RuntimeName) -> None:
    report = Report()
    slow_count.iter(n=20).batch(5).then(total_of).run(runtime=runtime, workers=1, observers=[report])
    source, batch, _ = report.steps
    assert (source.items_out, batch.items_in, batch.items_out) == (20, 20, 4)
    assert source.busy is not None
    assert batch.busy is not None
    assert source.busy >= 20 * 0.005
    assert 0 <= batch.busy < 20 * 0.005


def test_operations_in_front_of_a_fold_are_no_items_of_it() -> None:

    @task(name="longer")
    def longer(count: int, items: list[int]) -> int:
        return count + len(items)

    report = Report()
    stream = count_up.iter(n=40).then(square).batch(4).reduce(longer, initial=0)
    stream.run(runtime="processes", workers=1, observers=[report])
    assert [(step.task, step.items_in) for step in report.steps][-1] == ("longer", 10)
