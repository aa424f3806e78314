"""What a run costs its coordinator, for fixed inputs: messages, bytes, pickles, wake-ups. Time plays no part in it.

Each bound is some way above what was found when it was written, and far below what a mistake costs: a message for each
item, a pickle for each item, an argument with each batch.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

import daglite
from daglite import Future, task
from daglite.runtime.dataflow import source
from daglite.runtime.dataflow.batching import BatchSizer, PullSizer
from daglite.runtime.dataflow.dispatch import Dispatcher
from daglite.runtime.engines.batch_recorder import WaitReason
from daglite.runtime.engines.threads.pool import ThreadEngine
from daglite.runtime.engines.worker_queues import WorkerQueues
from daglite.runtime.kernel.work import WorkResult
from tests.engines.costs import Costs, calls_of, costs_of
from tests.tasks import add, count, double

MANY, WORKERS, LARGE = 100_000, 2, 10_000_000
ARRAY = 1_000_000


on_threads = double.with_options(on="threads", workers=4)


@task
def first(total: int, _: object) -> int:
    return total


def run(pipeline: Future[Any], patch: pytest.MonkeyPatch, *, seconds: float = 1e-7, **compiling: Any) -> Costs:
    plan = daglite.compile(pipeline, **compiling)
    return costs_of(lambda: plan.run(workers=WORKERS), patch, seconds=seconds)


@pytest.fixture
def steady_source(monkeypatch: pytest.MonkeyPatch) -> None:
    """A source that a busy machine does not hold up: pulls are as large as those of a microsecond for each item."""
    observe = PullSizer.observe
    monkeypatch.setattr(PullSizer, "observe", lambda pull, n, _: observe(pull, n, n * 1e-6))
    monkeypatch.setattr(source, "_LONGEST_PULL", 60.0)


@pytest.mark.usefixtures("steady_source")
def test_trivial_items_travel_by_the_hundreds(monkeypatch: pytest.MonkeyPatch) -> None:
    costs = run(count.iter(n=MANY).then(double).reduce(add, initial=0), monkeypatch)

    # Batches of up to 512; a slow start, and pulls that end early, leave some smaller ones.
    assert costs["batches"] <= MANY / 128
    assert costs["replies"] == costs["batches"]
    # A batch is one send and brings one reply; the coordinator does not look without need.
    assert costs["sends"] <= costs["batches"] + 50
    assert costs["receives"] <= 2 * costs["batches"] + 50
    assert costs["waits"] <= 1.2 * costs["batches"] + 50
    assert costs["rings"] <= costs["sends"] + 50
    # One pickle for each batch; the rest are those of the program.
    assert costs["pickles"] <= costs["batches"] + 30
    assert costs["captures"] == 0
    # A number below 65,536 is three bytes in a pickle, a larger one five.
    assert costs["sent"] <= 4.5 * MANY
    assert costs["received"] <= 5 * MANY
    assert costs["through_sockets"] <= costs["sent"] + costs["received"] + 100 * costs["batches"] + 5000


def test_a_batch_costs_as_many_calls_whatever_its_size(monkeypatch: pytest.MonkeyPatch) -> None:
    """Between a small run and a large one lie nothing but batches: a call for each item would be 512 more in each."""
    observe, came = BatchSizer.observe, PullSizer.observe
    monkeypatch.setattr(BatchSizer, "observe", lambda batch, n, _, nbytes: observe(batch, n, n * 1e-7, nbytes))
    monkeypatch.setattr(PullSizer, "observe", lambda pull, n, _: came(pull, n, n * 1e-7))

    launch, batches = Dispatcher._send_batch, Counter[int]()

    def calls(n: int) -> int:
        def launched(dispatcher: Dispatcher) -> None:
            batches[n] += 1
            launch(dispatcher)

        monkeypatch.setattr(Dispatcher, "_send_batch", launched)
        plan = daglite.compile(count.iter(n=n).then(double).reduce(add, initial=0))
        return calls_of(lambda: plan.run(workers=WORKERS))

    more = calls(3 * MANY) - calls(MANY)
    assert 50 <= more / (batches[3 * MANY] - batches[MANY]) <= 120


@pytest.mark.usefixtures("steady_source")
def test_rows_are_pickled_once_each_and_travel_by_the_hundreds(monkeypatch: pytest.MonkeyPatch) -> None:
    @task
    def rows(n: int) -> Iterator[dict[str, object]]:
        for number in range(n):
            yield {"number": number, "name": str(number)}

    number_of = task(lambda row: row["number"])
    costs = run(rows.iter(n=20_000).then(number_of).reduce(add, initial=0), monkeypatch)

    assert costs["captures"] == 20_000
    # None of them again when a batch is packed.
    assert costs["pickles"] <= 40
    assert costs["batches"] <= 20_000 / 64
    assert costs["sends"] <= costs["batches"] + 50
    assert costs["sent"] <= 65 * 20_000


def test_results_are_not_pickled_in_the_coordinator(monkeypatch: pytest.MonkeyPatch) -> None:
    boxed = task(lambda x: [x, str(x)])
    costs = run(count.iter(n=20_000).then(boxed).reduce(first, initial=0), monkeypatch)

    assert costs["captures"] == 0
    assert costs["pickles"] <= costs["batches"] + 40


def test_one_worker_is_fed_where_one_keeps_up(monkeypatch: pytest.MonkeyPatch) -> None:
    """A batch of 51 us goes behind another; one of a quarter of a millisecond to a worker that is idle."""
    came = PullSizer.observe
    # A source that is held up gives smaller batches, and there is room for a third.
    monkeypatch.setattr(PullSizer, "observe", lambda pull, n, _: came(pull, n, n * 1e-7))
    few = run(count.iter(n=MANY).then(double).reduce(add, initial=0), monkeypatch, seconds=1e-7)
    all_of_them = run(count.iter(n=MANY).then(double).reduce(add, initial=0), monkeypatch, seconds=1e-6)

    assert few["busiest"] >= 0.9 * MANY
    assert all_of_them["busiest"] <= 0.8 * MANY


def test_slow_items_travel_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of 5 ms of work each, as far as anybody knows: none waits for another in a batch."""
    costs = run(count.iter(n=400).then(double).reduce(add, initial=0), monkeypatch, seconds=0.005)

    assert costs["batches"] == 400
    assert costs["pickles"] <= 400 + 30
    # Two for a worker may leave together.
    assert costs["sends"] <= 400 + 50
    assert costs["waits"] <= 2 * 400 + 50


def test_a_slow_source_sends_each_item_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    @task
    def slowly(n: int) -> Iterator[int]:
        for number in range(n):
            time.sleep(0.001)
            yield number

    costs = run(slowly.iter(n=100).then(double).reduce(add, initial=0), monkeypatch)

    # Only an interruption by the system lets two of them meet.
    assert costs["batches"] >= 90
    assert costs["waits"] <= 5 * 100
    assert costs["sends"] <= 5 * 100


def test_many_threads_wake_the_coordinator_together(monkeypatch: pytest.MonkeyPatch) -> None:
    """Their answers wait for one another a moment: no look for each of them."""
    ready, sleep, looks, waits = ThreadEngine.poll, time.sleep, list[int](), list[float]()

    @task
    def nap(x: int) -> int:
        sleep(0.004)
        return x

    def looking(session: ThreadEngine, timeout: float | None) -> Sequence[WorkResult]:
        found = ready(session, timeout)
        looks.append(len(found))
        return found

    def sleeping(seconds: float) -> None:
        waits.append(seconds)
        sleep(seconds)

    plan = daglite.compile(count.iter(n=640).then(nap))
    monkeypatch.setattr(ThreadEngine, "poll", looking)
    monkeypatch.setattr(time, "sleep", sleeping)
    plan.run(runtime="threads", workers=32)
    assert sum(looks) == 640
    # On a busy machine several are there anyway.
    assert len(looks) <= 0.5 * 640
    assert waits


def test_threads_and_processes_are_waited_for_in_one_look_at_the_sockets(monkeypatch: pytest.MonkeyPatch) -> None:
    """There is one wait for each turn of the loop, although each engine is asked before it and after it."""
    poll, turns = WorkerQueues.poll, list[float | None]()

    def polled(worker_queues: WorkerQueues, timeout: float | None, reason: WaitReason | None = None) -> int:
        turns.append(timeout)
        return poll(worker_queues, timeout, reason)

    monkeypatch.setattr(WorkerQueues, "poll", polled)
    pipeline = count.iter(n=200).then(on_threads).then(double).reduce(add, initial=0)
    costs = run(pipeline, monkeypatch, max_in_flight=4, max_batch_size=1)
    # A turn hands out at most what is in flight. A brief wait may look several times, but blocks at most once.
    assert costs["sleeps"] <= costs["waits"] == len(turns) >= 200 / 4


def test_a_thread_does_little_around_an_item() -> None:
    def calls(n: int) -> int:
        plan = daglite.compile(count.iter(n=n).then(double), max_batch_size=1)
        return calls_of(lambda: plan.run(runtime="threads", workers=2), on="daglite-worker")

    # The first items of each thread, for which it prepares itself, are in both. Threads that a busy machine holds up
    # wait more often: the least of three is the cost of an item.
    assert 10 <= min((calls(1200) - calls(200)) / 1000 for _ in range(3)) <= 14


def argument(data: bytes) -> Future[int]:
    return count.iter(n=1000).then(task(lambda x, data: len(data), name="weigh"), data=data).reduce(add, initial=0)


def closure(data: bytes) -> Future[int]:
    return count.iter(n=1000).then(task(lambda x: len(data), name="weigh")).reduce(add, initial=0)


@pytest.mark.parametrize("way", [argument, closure])
def test_what_is_large_and_fixed_travels_once_to_each_worker(
    way: Callable[[bytes], Future[int]], monkeypatch: pytest.MonkeyPatch
) -> None:
    costs = run(way(b"x" * LARGE), monkeypatch)

    assert costs["install"] == WORKERS
    assert costs["sent"] <= WORKERS * LARGE + 100_000
    assert costs["through_sockets"] <= WORKERS * LARGE + 200_000


def test_what_is_large_and_fixed_never_comes_back(monkeypatch: pytest.MonkeyPatch) -> None:
    assert run(argument(b"x" * LARGE), monkeypatch)["received"] <= 100_000


def test_large_arrays_are_never_part_of_a_pickle(monkeypatch: pytest.MonkeyPatch) -> None:
    """They go beside it; those of items through memory that is shared, where hardly anything passes a socket."""

    @task
    def arrays(n: int) -> Iterator[NDArray[np.float64]]:
        for _ in range(n):
            yield np.ones(ARRAY)

    there = run(arrays.iter(n=20).then(task(lambda array: int(array[0]))).reduce(add, initial=0), monkeypatch)
    back = run(count.iter(n=20).then(task(lambda x: np.full(ARRAY, x))).reduce(first, initial=0), monkeypatch)

    assert (there["captures"], there["batches"], back["batches"]) == (20, 20, 20)
    for costs, way in ((there, "sent"), (back, "received")):
        assert costs["largest"] <= 10_000
        assert 20 * 8 * ARRAY <= costs[way] <= 20 * 8 * ARRAY + 50_000
    assert there["through_sockets"] <= 200_000
    # Two workers, each with two batches before it is lent a block.
    assert back["through_sockets"] <= 2 * 2 * 8 * ARRAY + 200_000
    assert back["lend"] <= back["batches"]


def test_saves_on_the_way_do_not_add_messages(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    class Nowhere:
        def save(self, key: str, value: object) -> None:
            """Forget it."""

    plain = run(count.iter(n=5000).then(double).then(double).reduce(add, initial=0), monkeypatch, max_batch_size=100)
    tapped = count.iter(n=5000).then(double).save("{iteration_index}", save_store=Nowhere()).then(double)
    saved = run(tapped.reduce(add, initial=0), monkeypatch, max_batch_size=100)

    assert saved["batches"] <= plain["batches"] + 25
    assert saved["sent"] <= plain["sent"] + 5000
    assert saved["received"] <= 2 * plain["received"] + 5000


def test_the_counters_count(monkeypatch: pytest.MonkeyPatch) -> None:
    """One item in each message costs what it costs: the bounds above are not met by chance."""
    costs = run(count.iter(n=1000).then(double).reduce(add, initial=0), monkeypatch, max_batch_size=1)

    assert costs["batches"] == costs["replies"] == 1000
    assert costs["pickles"] >= 1000
    assert costs["sends"] >= 500
    assert costs["receives"] >= 500
    assert costs["waits"] >= 100
    assert costs["through_sockets"] >= costs["sent"] + costs["received"] > 0
