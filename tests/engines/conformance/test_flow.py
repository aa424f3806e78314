"""How items flow: in order, within the window, from the start to an early end."""

from __future__ import annotations

import asyncio
import json
import logging
import os
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

import daglite
from daglite import DatasetStore, task
from daglite.events import BatchCompleted, PartialsMerged
from daglite.futures import ReduceFuture
from daglite.observe import Report
from daglite.options import Runtime
from tests.unit.observe.recording import Recorder
from tests.unit.observe.trace_format import problems


@task
def count(n: int) -> Iterator[int]:
    yield from range(n)


def test_results_are_in_order_though_a_first_item_is_slow(engine: Runtime) -> None:
    def slow_first(x: int) -> int:
        time.sleep(0.2 if x == 0 else 0)
        return x

    assert count.iter(n=300).then(task(slow_first)).run(runtime=engine) == list(range(300))


def test_an_unordered_consumer_gets_each_item_once(engine: Runtime) -> None:
    plan = daglite.compile(count.iter(n=300).then(task(lambda x: x + 1)), max_batch_size=3)
    with plan.stream(ordered=False, runtime=engine) as items:
        assert sorted(items) == list(range(1, 301))


def test_window_bounds_the_items_alive(engine: Runtime) -> None:
    folded, worst = [0], [0]

    @task
    def watched(n: int) -> Iterator[int]:
        for i in range(n):
            worst[0] = max(worst[0], i + 1 - folded[0])
            yield i

    @task
    def add(total: int, x: int) -> int:
        folded[0] += 1
        return total + x

    def slow_head(x: int) -> int:
        time.sleep(0.2 if x == 0 else 0)
        return x

    plan = daglite.compile(watched.iter(n=200).then(task(slow_head)).reduce(add, initial=0), max_in_flight=8)
    assert plan.run(runtime=engine) == sum(range(200))
    # One more than the window is alive while the source is between two items.
    assert worst[0] <= 9


def test_a_running_fold_sees_items_in_order_and_stays_within_the_window(engine: Runtime) -> None:
    """Each accumulator is what it was when it came out, though the next item changes the same list."""
    worst, folded = [0], [0]

    @task
    def watched(n: int) -> Iterator[int]:
        for i in range(n):
            worst[0] = max(worst[0], i + 1 - folded[0])
            yield i

    @task
    def add(last: list[int], x: int) -> list[int]:
        last[0] += x
        return last

    @task
    def keep(total: list[int], one: list[int]) -> list[int]:
        folded[0] += 1
        return [*total, *one]

    @task
    def slow_head(x: int) -> int:
        time.sleep(0.2 if x == 0 else 0)
        return x

    sums = watched.iter(n=200).then(slow_head).scan(add, initial=[0])
    plan = daglite.compile(sums.then(task(lambda held: held)).reduce(keep, initial=[]), max_in_flight=8)
    assert plan.run(runtime=engine) == [sum(range(i + 1)) for i in range(200)]
    assert worst[0] <= 9
    assert sums.take(3).run(runtime=engine) == [[0], [1], [3]]


def test_an_early_end_closes_the_source_and_leaves_the_engine_fit(engine: Runtime) -> None:
    closed = []

    @task
    def endless() -> Iterator[int]:
        try:
            i = 0
            while True:
                yield i
                i += 1
        finally:
            closed.append(True)

    for _ in range(2):
        with daglite.compile(endless.iter().then(task(lambda x: x))).stream(runtime=engine) as items:
            assert [next(items) for _ in range(5)] == list(range(5))
    assert closed == [True, True]
    assert count.iter(n=5).then(task(lambda x: x)).run(runtime=engine) == list(range(5))


def test_generators_and_calls_run_on_workers_side_by_side(engine: Runtime) -> None:
    pair = task(lambda a, b: (a, b), name="pair")
    one, other = count(n=600), task(lambda x: x * 2, name="twice")(x=4)
    assert pair(a=one, b=other).run(runtime=engine) == (list(range(600)), 8)
    assert daglite.compile(count.iter(n=30).then(task(lambda x: x)), optimize=False).run(runtime=engine) == list(
        range(30)
    )


def test_async_tasks_and_generators_run(engine: Runtime) -> None:
    async def twice(x: int) -> int:
        await asyncio.sleep(0)
        return 2 * x

    assert count.iter(n=50).then(task(twice)).run(runtime=engine) == [2 * i for i in range(50)]
    assert daglite.compile(count.iter(n=9).then(task(twice)), max_batch_size=1).run(runtime=engine) == [
        2 * i for i in range(9)
    ]


def test_saves_are_made_by_the_coordinator_once_and_in_order(engine: Runtime, tmp_path: Path) -> None:
    store = DatasetStore(tmp_path)
    stream = count.iter(n=40).save("item_{iteration_index:02d}", save_store=store)
    boxes = stream.then(task(lambda x: [x])).save("box_{iteration_index:02d}", save_store=store)
    # What a later task does to an item must not reach what was saved of it.
    assert boxes.then(task(lambda box: len(box))).run(runtime=engine) == [1] * 40
    assert [store.load(f"box_{i:02d}") for i in range(40)] == [[i] for i in range(40)]
    assert len(store.list_keys()) == 80


def test_many_small_calls_do_not_wait_for_each_other(engine: Runtime) -> None:
    total = task(lambda **values: sum(values.values()), name="total")
    calls = {f"v{i}": task(lambda x: x * x, name=f"square{i}")(x=i) for i in range(20)}
    assert total(**calls).run(runtime=engine) == sum(i * i for i in range(20))


def test_filters_and_takes_hold(engine: Runtime) -> None:
    even = task(lambda x: x % 2 == 0, name="even")
    assert count.iter(n=1000).filter(even).then(task(lambda x: x)).take(5).run(runtime=engine) == [0, 2, 4, 6, 8]


def test_cheap_items_travel_in_large_batches(crewed: Runtime) -> None:
    report = daglite.observe.Report()
    count.iter(n=20_000).then(task(lambda x: x)).run(runtime=crewed, observers=[report])
    text = str(report)
    assert "20,000" in text or "20000" in text


# More than what is sent home at once.
_PAD = bytes(300_000)


def folded_with_a_pad(n: int, folder: Path, *, ordered: bool = True) -> ReduceFuture[tuple[list[int], bytes]]:
    """The items as a list, beside something large; who puts parts together makes a note of it."""

    def noted(so_far: tuple[list[int], bytes], x: int) -> tuple[list[int], bytes]:
        return [*so_far[0], x], so_far[1]

    def joined(one: tuple[list[int], bytes], other: tuple[list[int], bytes]) -> tuple[list[int], bytes]:
        with (folder / str(os.getpid())).open("a") as file:
            file.write("x")
        return one[0] + other[0], one[1]

    start: tuple[list[int], bytes] = ([], _PAD)
    same = task(lambda x: x, name="same")
    return count.iter(n=n).then(same).reduce(task(noted), initial=start, combine=joined, ordered=ordered, empty=start)


@pytest.mark.usefixtures("parts_stay")
def test_large_parts_of_a_fold_are_put_together_in_order(engine: Runtime, tmp_path: Path) -> None:
    plan = daglite.compile(folded_with_a_pad(300, tmp_path), max_batch_size=3)
    assert plan.run(runtime=engine) == ([*range(300)], _PAD)


@pytest.mark.usefixtures("parts_stay")
def test_large_parts_without_order_are_all_there(engine: Runtime, tmp_path: Path) -> None:
    plan = daglite.compile(folded_with_a_pad(200, tmp_path, ordered=False), max_batch_size=3, max_in_flight=8)
    found, _ = plan.run(runtime=engine)
    assert sorted(found) == [*range(200)]


@pytest.mark.usefixtures("parts_stay")
def test_large_parts_are_put_together_on_the_workers_of_a_cluster(cluster: Runtime, tmp_path: Path) -> None:
    """A part for each item, and in the coordinator only the roots of 32 of them; and one look at `empty`."""
    assert daglite.compile(folded_with_a_pad(200, tmp_path), max_batch_size=1).run(runtime=cluster) == (
        [*range(200)],
        _PAD,
    )
    merges = {int(file.name): file.stat().st_size for file in tmp_path.iterdir()}
    assert merges.pop(os.getpid()) <= 1 + 200 // 32
    assert sum(merges.values()) >= 190


@pytest.mark.usefixtures("parts_stay")
def test_large_parts_may_be_of_a_class_that_no_module_has(engine: Runtime) -> None:
    """What one worker has made goes to another, and is of the class of the coordinator in the end."""

    class Box:
        def __init__(self, items: list[int]) -> None:
            self.items, self.pad = items, bytes(300_000)

        def __eq__(self, other: object) -> bool:
            return isinstance(other, Box) and self.items == other.items

        __hash__ = None  # type: ignore[assignment]  # it is compared and nothing else

    def put(box: Box, x: int) -> Box:
        return Box([*box.items, x])

    def joined(one: Box, other: Box) -> Box:
        return Box(one.items + other.items)

    plan = daglite.compile(
        count.iter(n=60).reduce(task(put), initial=Box([]), combine=joined, empty=Box([])), max_batch_size=1
    )
    found = plan.run(runtime=engine)
    assert type(found) is Box
    assert found.items == [*range(60)]


@pytest.mark.usefixtures("parts_stay")
def test_what_a_fold_saves_on_the_way_is_saved_once_and_in_order(engine: Runtime, tmp_path: Path) -> None:
    store, notes = DatasetStore(tmp_path / "store"), tmp_path / "notes"
    notes.mkdir()
    saved = count.iter(n=40).then(task(lambda x: x + 1)).save("{iteration_index:02d}", save_store=store)

    def noted(so_far: tuple[int, bytes], x: int) -> tuple[int, bytes]:
        return so_far[0] + x, so_far[1]

    start = (5, _PAD)
    fold = saved.reduce(task(noted), initial=start, combine=lambda a, b: (a[0] + b[0], a[1]), empty=(0, _PAD))
    assert daglite.compile(fold, max_batch_size=2).run(runtime=engine)[0] == 5 + sum(range(41))
    assert [store.load(key) for key in sorted(store.list_keys())] == [*range(1, 41)]


@pytest.mark.usefixtures("parts_stay")
def test_what_is_logged_while_parts_are_put_together_names_the_task(
    cluster: Runtime, caplog: pytest.LogCaptureFixture
) -> None:
    def kept(so_far: tuple[int, bytes], x: int) -> tuple[int, bytes]:
        return so_far[0] + x, so_far[1]

    @task
    def noisy(one: tuple[int, bytes], other: tuple[int, bytes]) -> tuple[int, bytes]:
        logging.getLogger("parts").warning("together")
        return one[0] + other[0], one[1]

    start = (0, _PAD)
    fold = count.iter(n=20).reduce(task(kept), initial=start, combine=noisy, empty=start)
    assert daglite.compile(fold, max_batch_size=1).run(runtime=cluster)[0] == 190
    found = [vars(record) for record in caplog.records if record.name == "parts"]
    # Those of the workers; the coordinator has looked at `empty`.
    assert {record["daglite_task"] for record in found if record["process"] != os.getpid()} == {"noisy"}


@pytest.mark.usefixtures("parts_stay")
def test_observers_are_told_of_parts_that_workers_put_together(cluster: Runtime, tmp_path: Path) -> None:
    """Each batch gives one part; a merge takes some of them, and its own result is one more until it comes home."""
    seen, report, trace = Recorder(), Report(), tmp_path / "run.json"
    plan = daglite.compile(folded_with_a_pad(100, tmp_path), max_batch_size=1)
    plan.run(runtime=cluster, observers=[seen, report], trace=trace)

    merges, batches = seen.of(PartialsMerged), seen.of(BatchCompleted)
    assert len(batches) == 100
    home = sum(one.returned for one in merges)
    assert sum(one.parts for one in merges) == len(batches) + len(merges) - home
    assert home >= 1
    assert all(one.nbytes >= one.parts * len(_PAD) and not one.failed for one in merges)
    assert all(one.began is not None and one.worker is not None and one.sent <= one.at for one in merges)
    worked = sum(one.seconds for one in merges) + sum(one.seconds for one in batches)
    assert sum(worker.busy for worker in report.workers) == pytest.approx(worked)
    found = json.loads(trace.read_text())
    assert problems(found) == []
    drawn = [event for event in found["traceEvents"] if event.get("cat") == "merge"]
    assert [(event["name"], event["args"]["parts"]) for event in drawn] == [("joined", one.parts) for one in merges]
