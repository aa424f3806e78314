"""The head of a stream: what is asked of its source, what is saved, whose errors count, and what it leaves alone."""

from __future__ import annotations

import itertools
import time
from collections.abc import Iterator
from typing import Any, get_args

import pytest

from daglite import compile, task
from daglite.exceptions import ParameterError, failure_of
from daglite.options import RuntimeName
from tests.samples import Memory, double, fold, minus, odd, pair, rows, scale, shown

pytestmark = pytest.mark.timeout(60)
EVERYWHERE = pytest.mark.parametrize("runtime", get_args(RuntimeName))
PLAIN_TOO = pytest.mark.parametrize("optimize", [True, False])


@EVERYWHERE
@pytest.mark.parametrize("window", [None, 1, 2])
def test_source_gives_what_is_taken_and_is_closed(runtime: RuntimeName, window: int | None) -> None:
    seen: list[object] = []

    @task
    def source() -> Iterator[int]:
        try:
            for item in itertools.count():
                seen.append(item)
                yield item
        finally:
            seen.append("closed")

    plan = compile(source.iter().then(double).take(3).then(scale), max_in_flight=window)
    assert plan.run(runtime=runtime, workers=2) == [0, 20, 40]
    assert seen == [0, 1, 2, "closed"]


@EVERYWHERE
@PLAIN_TOO
@pytest.mark.parametrize("way", ["source", "behind tasks", "direct"])
def test_nothing_behind_the_last_item_runs(runtime: RuntimeName, optimize: bool, way: str) -> None:
    """Not in the source, nor in a task: plans that are not optimised stop there too."""

    @task
    def source() -> Iterator[int]:
        yield from (0, 1)
        raise ValueError("asked for more")

    @task
    def strict(x: int) -> int:
        assert x < 2
        return x

    stream: Any = source.iter() if way == "source" else source.iter().then(strict)
    head = {"source": stream.take(2).then(strict), "behind tasks": stream.then(strict).take(2)}.get(way, stream.take(2))
    assert compile(head, optimize=optimize).run(runtime=runtime, workers=2) == [0, 1]


@EVERYWHERE
@PLAIN_TOO
def test_mapped_values_are_taken_from(runtime: RuntimeName, optimize: bool) -> None:
    assert compile(double.map(x=[1, 2, 3]).take(2), optimize=optimize).run(runtime=runtime, workers=2) == [2, 4]
    crossed = minus.map(a=[5, 6], b=[1, 2], map_mode="product").then(double).take(3)
    assert compile(crossed, optimize=optimize).run(runtime=runtime, workers=2) == [8, 6, 10]
    listed: Any = double.map(x=rows(n=9)).take(1)
    assert compile(listed, optimize=optimize).run(runtime=runtime, workers=2) == [0]


@EVERYWHERE
@PLAIN_TOO
@pytest.mark.parametrize("n", [0, 1, 3, 4, 9])
def test_takes_behind_filters_count_what_passes(runtime: RuntimeName, optimize: bool, n: int) -> None:
    stream = rows.iter(n=8).then(scale, by=1).filter(odd)
    plan = compile(stream.take(n).reduce(fold, initial=0), optimize=optimize)

    total = 0
    for item in [1, 3, 5, 7][:n]:
        total = total * 3 + item
    assert plan.run(runtime=runtime, workers=2) == total
    assert compile(stream.take(n), optimize=optimize).run(runtime=runtime, workers=2) == [1, 3, 5, 7][:n]


@EVERYWHERE
@pytest.mark.parametrize("ordered", [True, False])
def test_take_behind_a_filter_ends_an_endless_source(runtime: RuntimeName, ordered: bool) -> None:
    closed = []

    @task
    def source() -> Iterator[int]:
        try:
            yield from itertools.count()
        finally:
            closed.append(True)

    plan: Any = compile(source.iter().filter(odd).take(5), max_in_flight=4)
    assert plan.run(runtime=runtime, workers=2) == [1, 3, 5, 7, 9]
    with plan.stream(runtime=runtime, workers=2, ordered=ordered) as items:
        found = list(items)
    assert len(found) == 5
    assert all(item % 2 for item in found)
    assert closed == [True, True]


@EVERYWHERE
def test_errors_behind_the_last_item_are_nobodys_business(runtime: RuntimeName) -> None:
    """They may be there before the item that is waited for: it is sleeping."""

    @task
    def slow(x: int) -> bool:
        time.sleep(0.2 if x == 1 else 0)
        if x > 1:
            raise ValueError(x)
        return x == 1

    plan = compile(rows.iter(n=50).filter(slow).take(1), max_batch_size=1)
    assert plan.run(runtime=runtime, workers=2) == [1]


@EVERYWHERE
@PLAIN_TOO
def test_error_before_the_last_item_is_raised(runtime: RuntimeName, optimize: bool) -> None:
    wrong: Any = task(lambda x: 1 // (x - 3), name="wrong")
    plan = compile(rows.iter(n=9).filter(odd).then(wrong).filter(odd).take(4), optimize=optimize)

    with pytest.raises(ZeroDivisionError, match="by zero") as caught:
        plan.run(runtime=runtime, workers=2)
    failure = failure_of(caught.value)
    assert failure is not None
    assert (failure.task, failure.index) == ("wrong", 3)


@EVERYWHERE
@PLAIN_TOO
def test_saves_keep_what_is_taken(runtime: RuntimeName, optimize: bool) -> None:
    """Before and behind the take: nothing else is made. The source of a filter may have been asked for more."""
    store = Memory()
    stream = rows.iter(n=9).save("in{iteration_index}").then(double).save("twice{iteration_index}").take(2)
    compile(stream.save("end{iteration_index}"), optimize=optimize).run(runtime=runtime, workers=2, store=store)
    assert sorted(store.saved) == [("end0", 0), ("end1", 2), ("in0", 0), ("in1", 1), ("twice0", 0), ("twice1", 2)]

    store = Memory()
    sifted = rows.iter(n=9).filter(odd).save("odd{iteration_index}").take(2).save("end{iteration_index}")
    assert compile(sifted, optimize=optimize).run(runtime=runtime, workers=2, store=store) == [1, 3]
    assert sorted(store.saved) == [("end1", 1), ("end3", 3), ("odd1", 1), ("odd3", 3)]


@EVERYWHERE
@PLAIN_TOO
def test_other_readers_of_the_stream_get_all_of_it(runtime: RuntimeName, optimize: bool) -> None:
    store = Memory()
    stream = rows.iter(n=5).save("{iteration_index}", save_store=store)
    both = pair(pair(stream.take(2), shown(stream.take(4).take(3))), stream.filter(odd).take(1).then(scale))

    wanted = (([0, 1], "[0, 1, 2]."), [10])
    assert compile(both, optimize=optimize).run(runtime=runtime, workers=2) == wanted
    assert len(store.saved) == 5


def test_head_of_a_shared_stream_cannot_be_saved_by_itself() -> None:
    stream = rows.iter(n=5)
    both = pair(stream.take(2).save("head_{iteration_index}"), stream)

    with pytest.raises(
        ParameterError, match=r"^the key 'head_\{iteration_index\}' is for the head of a stream that ot"
    ):
        compile(both)


def test_tasks_behind_a_take_are_given_no_more() -> None:
    """Behind a filter they begin when the head is there."""
    asked = []

    @task
    def noted(x: int) -> int:
        asked.append(x)
        return x

    assert rows.iter(n=50).filter(odd).take(2).then(noted).run(runtime="inline") == [1, 3]
    assert asked == [1, 3]


@EVERYWHERE
def test_taking_nothing_starts_no_generator(runtime: RuntimeName) -> None:
    @task
    def source() -> Iterator[int]:
        raise AssertionError("started")
        yield 0

    assert source.iter().then(double).filter(odd).take(0).run(runtime=runtime, workers=1) == []
