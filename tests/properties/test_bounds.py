"""Laws 9 and 10, seen from outside: by counters in the generator and the fold, and by looking into the store."""

from __future__ import annotations

import tempfile
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, Literal

import pytest
from hypothesis import example, given, settings, strategies as st

import daglite
from daglite import DatasetStore, Plan, task
from daglite.options import RuntimeName
from tests.properties.trial import EXAMPLES, Recorder

SOME = settings(max_examples=EXAMPLES)
FEW = settings(max_examples=max(10, EXAMPLES // 2))
Slow = Literal["nothing", "first item", "fold", "source"]
SLOW: st.SearchStrategy[Slow] = st.sampled_from(["nothing", "first item", "fold", "source"])
RUNTIMES = st.sampled_from(["inline", "threads", "processes", "auto"])
WITH_WORKERS: st.SearchStrategy[RuntimeName] = st.sampled_from(["threads", "processes", "auto"])


@dataclass
class Gauge:
    """Counts how often the source was asked for an item, and how many items are done with."""

    asked: int = 0
    done: int = 0
    alive: list[int] = field(default_factory=list)

    def ask(self) -> None:
        self.asked += 1
        self.alive.append(self.asked - self.done)


def counting(gauge: Gauge, slow: Slow) -> Any:
    """Everything between two yields runs because somebody asked for an item, the one that is not there included."""

    @task
    def source(n: int) -> Iterator[int]:
        for item in range(n):
            gauge.ask()
            if slow == "source":
                time.sleep(0.002)
            yield item
        gauge.ask()

    return source


def work(slow: Slow) -> Any:
    @task
    def double(x: int) -> int:
        if slow == "first item" and x == 0:
            time.sleep(0.02)
        return 2 * x

    return double


@SOME
@given(
    n=st.integers(0, 40), window=st.integers(1, 7), slow=SLOW, ordered=st.booleans(), workers=st.integers(1, 3),
    batch=st.none() | st.integers(1, 8), saved=st.booleans(), helper=st.booleans(), runtime=WITH_WORKERS,
)  # fmt: skip
@example(
    n=40,
    window=1,
    slow="first item",
    ordered=True,
    workers=2,
    batch=None,
    saved=True,
    helper=True,
    runtime="processes",
)
@example(
    n=40,
    window=5,
    slow="first item",
    ordered=False,
    workers=2,
    batch=None,
    saved=False,
    helper=True,
    runtime="threads",
)
def test_law_9_never_more_than_the_window_alive(
    n: int,
    window: int,
    slow: Slow,
    ordered: bool,
    workers: int,
    batch: int | None,
    saved: bool,
    helper: bool,
    runtime: RuntimeName,
) -> None:
    """Calls of the source's `next`, the one that finds the end included, minus items folded: at most `window`."""
    gauge = Gauge()

    @task
    def add(total: int, item: int) -> int:
        if slow == "fold":
            time.sleep(0.0005)
        gauge.done += 1
        return total + item

    items = counting(gauge, slow).iter(n=n).then(work(slow))
    items = items.save("{iteration_index}", save_store=Recorder()) if saved else items
    plan = daglite.compile(
        items.reduce(add, initial=0, ordered=ordered), max_in_flight=window, max_batch_size=batch, helper_thread=helper
    )
    assert plan.run(runtime=runtime, workers=workers) == n * (n - 1)
    assert gauge.asked == n + 1
    assert max(gauge.alive) <= window


@SOME
@given(
    n=st.integers(0, 40), window=st.integers(1, 7), slow=SLOW, ordered=st.booleans(), workers=st.integers(1, 3),
    batch=st.none() | st.integers(1, 8), saved=st.booleans(), helper=st.booleans(),
)  # fmt: skip
def test_law_9_holds_where_workers_fold(
    n: int, window: int, slow: Slow, ordered: bool, workers: int, batch: int | None, saved: bool, helper: bool
) -> None:
    """On threads, where the fold of a worker can count in this process."""
    gauge, lock = Gauge(), threading.Lock()

    @task
    def add(total: int, item: int) -> int:
        if slow == "fold":
            time.sleep(0.0005)
        with lock:
            gauge.done += 1
        return total + item

    items = counting(gauge, slow).iter(n=n).then(work(slow))
    items = items.save("{iteration_index}", save_store=Recorder()) if saved else items
    plan = daglite.compile(
        items.reduce(add, initial=3, ordered=ordered, combine=lambda one, other: one + other),
        max_in_flight=window,
        max_batch_size=batch,
        helper_thread=helper,
    )
    assert plan.run(runtime="threads", workers=workers) == 3 + n * (n - 1)
    assert gauge.asked == n + 1
    assert max(gauge.alive) <= window


@SOME
@given(n=st.integers(0, 40), window=st.integers(1, 7), slow=SLOW, runtime=RUNTIMES, ordered=st.booleans())
def test_law_9_a_consumer_pulls_the_source(n: int, window: int, slow: Slow, runtime: Any, ordered: bool) -> None:
    """Of a streamed plan: calls of `next` minus items handed out are at most `window`."""
    gauge = Gauge()
    plan: Plan[list[int]] = daglite.compile(counting(gauge, slow).iter(n=n).then(work(slow)), max_in_flight=window)
    found = []
    with plan.stream(runtime=runtime, workers=2, ordered=ordered) as items:
        for item in items:
            gauge.done += 1
            found.append(item)
    assert sorted(found) == [2 * item for item in range(n)]
    assert max(gauge.alive) <= window


@SOME
@given(
    n=st.integers(0, 30), more=st.integers(0, 3), window=st.integers(1, 7), slow=SLOW, workers=st.integers(1, 3),
    tasks=st.tuples(*[st.booleans()] * 3), helper=st.booleans(), runtime=RUNTIMES,
)  # fmt: skip
@example(
    n=30,
    more=0,
    window=1,
    slow="first item",
    workers=2,
    tasks=(True, True, True),
    helper=True,
    runtime="processes",
)
@example(n=30, more=0, window=4, slow="fold", workers=3, tasks=(True, True, True), helper=True, runtime="threads")
def test_law_9_holds_for_each_of_two_streams_side_by_side(
    n: int,
    more: int,
    window: int,
    slow: Slow,
    workers: int,
    tasks: tuple[bool, ...],
    helper: bool,
    runtime: RuntimeName,
) -> None:
    """Calls of `next` of either source minus pairs folded: at most `window`, wherever there are tasks."""
    first, other = Gauge(), Gauge()

    @task
    def add(total: int, pair: tuple[int, int]) -> int:
        if slow == "fold":
            time.sleep(0.0005)
        first.done += 1
        other.done += 1
        return total + pair[0] + pair[1]

    @task
    def held(pair: tuple[int, int]) -> tuple[int, int]:
        if slow == "fold":
            time.sleep(0.003)
        return pair

    streams = [counting(first, slow).iter(n=n), counting(other, "nothing").iter(n=n + more)]
    one, beside = (each.then(work(slow)) if there else each for each, there in zip(streams, tasks, strict=False))
    pairs = one.zip(beside).then(held) if tasks[2] else one.zip(beside)
    plan = daglite.compile(pairs.reduce(add, initial=0), max_in_flight=window, helper_thread=helper)

    assert plan.run(runtime=runtime, workers=workers) == (sum(tasks[:2]) + 2) * n * (n - 1) // 2
    assert max([*first.alive, *other.alive, 0]) <= window


@SOME
@given(n=st.integers(0, 20), window=st.none() | st.integers(1, 5), optimize=st.booleans())
def test_law_9_inline_one_item_is_alive(n: int, window: int | None, optimize: bool) -> None:
    """In one process the guide's word is literal: never more than one item at a time (when optimised)."""
    gauge = Gauge()
    inside = [0]

    @task
    def add(total: int, item: int) -> int:
        gauge.done += 1
        inside[0] -= 1
        return total + item

    @task
    def enter(x: int) -> int:
        inside[0] += 1
        assert inside[0] == 1 or not optimize
        return x

    pipeline = counting(gauge, "nothing").iter(n=n).then(enter).reduce(add, initial=0)
    assert daglite.compile(pipeline, optimize=optimize, max_in_flight=window).run(runtime="inline") == n * (n - 1) // 2
    assert max(gauge.alive) <= (1 if optimize else n + 1)


@pytest.mark.parametrize("runtime", ["threads", "processes", "auto"])
def test_law_9_the_default_window_is_what_explain_prints(runtime: RuntimeName) -> None:
    """Without a window of its own a plan takes 512 items for each worker, behind a slow first item too."""
    gauge = Gauge()

    @task
    def add(total: int, item: int) -> int:
        gauge.done += 1
        return total + item

    @task
    def late(x: int) -> int:
        time.sleep(0.3 if x == 0 else 0)
        return x

    plan = daglite.compile(counting(gauge, "nothing").iter(n=3000).then(late).reduce(add, initial=0))
    assert "in flight <= 512 items per worker" in plan.explain()
    assert plan.run(runtime=runtime, workers=2) == 3000 * 2999 // 2
    assert max(gauge.alive) <= 1024


@FEW
@given(n=st.integers(0, 20), runtime=RUNTIMES, then=st.booleans(), window=st.none() | st.integers(1, 5))
def test_law_10_an_item_is_saved_before_the_next_is_asked_for(
    n: int, runtime: Any, then: bool, window: int | None
) -> None:
    """When the generator goes on, the item it yielded can be read through any store object of that folder."""
    with tempfile.TemporaryDirectory() as folder:

        @task
        def source(size: int) -> Iterator[tuple[int, str]]:
            for item in range(size):
                yield item, "x"
                assert DatasetStore(folder).load(f"{size}/row_{item:03d}") == (item, "x")
                assert not DatasetStore(folder).exists(f"{size}/row_{item + 1:03d}")

        stream: Any = source.iter(size=n).save("{size}/row_{iteration_index:03d}", save_store=folder)
        stream = stream.then(task(lambda x: x[0])) if then else stream
        plan = daglite.compile(stream.join(task(len_of)), max_in_flight=window)
        assert plan.run(runtime=runtime, workers=2) == n
        assert DatasetStore(folder).list_keys() == [f"{n}/row_{item:03d}" for item in range(n)]


def len_of(items: list[object]) -> int:
    return len(items)


@FEW
@given(n=st.integers(0, 20), runtime=RUNTIMES, optimize=st.booleans(), window=st.none() | st.integers(1, 5))
def test_law_10_an_item_is_saved_before_it_is_dispatched(
    n: int, runtime: Any, optimize: bool, window: int | None
) -> None:
    """Whoever works on an item can read it in the store already: optimised or not, in this process or another."""
    with tempfile.TemporaryDirectory() as folder:

        @task
        def source(size: int) -> Iterator[int]:
            yield from range(size)

        @task
        def read(x: int) -> object:
            return DatasetStore(folder).load(f"row_{x}")

        stream = source.iter(size=n).save("row_{iteration_index}", save_store=DatasetStore(folder)).then(read)
        plan = daglite.compile(stream, optimize=optimize, max_in_flight=window)
        assert plan.run(runtime=runtime, workers=2) == list(range(n))


@SOME
@given(n=st.integers(0, 12), runtime=RUNTIMES, optimize=st.booleans(), ordered=st.booleans(), workers=st.integers(1, 3))
def test_law_10_every_item_is_saved_once_and_in_order(
    n: int, runtime: Any, optimize: bool, ordered: bool, workers: int
) -> None:
    """Items, results on the way and last results: each is saved once, in order, results before they are folded."""
    store, folded = Recorder(), [0]

    @task
    def add(total: int, item: int) -> int:
        assert ("last_" + str(item - 1), str(item)) in store.log
        folded[0] += 1
        return total + item

    def plus_one(x: int) -> int:
        return x + 1

    stream = counting(Gauge(), "nothing").iter(n=n).save("item_{iteration_index}", save_store=store)
    stream = stream.then(task(plus_one)).save("way_{iteration_index}", save_store=store)
    stream = stream.then(task(lambda x: x)).save("last_{iteration_index}", save_store=store)
    stream = stream.reduce(add, initial=0, ordered=ordered).save("sum", save_store=store)
    plan = daglite.compile(stream, optimize=optimize)
    total = plan.run(runtime=runtime, workers=workers)
    assert (folded[0], total) == (n, n * (n + 1) // 2)
    free = not ordered and runtime != "inline"
    for name, plus in (("item", 0), ("way", 1), ("last", 1)):
        expected = [(f"{name}_{item}", str(item + plus)) for item in range(n)]
        found = [pair for pair in store.log if pair[0].startswith(name)]
        if free and name != "item":
            assert sorted(found) == sorted(expected)
        else:
            assert found == expected
    assert store.log[-1] == ("sum", str(total))
    assert len(store.log) == 3 * n + 1
