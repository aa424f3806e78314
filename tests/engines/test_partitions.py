"""Partitioned sources: a generator for each partition, on workers: what comes, in which order, what is refused."""

from __future__ import annotations

import os
import signal
from collections.abc import AsyncIterator, Iterator
from typing import Any, get_args

import pytest
from hypothesis import given, settings, strategies as st

import daglite
from daglite import compile, task
from daglite.exceptions import ParameterError, failure_of
from daglite.options import RuntimeName, StartMethod
from tests.samples import Memory, double, one
from tests.tasks import add

pytestmark = pytest.mark.timeout(60)
EVERYWHERE = pytest.mark.parametrize("runtime", get_args(RuntimeName))
PLAIN_TOO = pytest.mark.parametrize("optimize", [True, False])
PARTITIONS = [{"start": 5, "n": 3}, {"start": 0, "n": 0}, {"start": -2, "n": 4}, {"start": 1}]
ITEMS = [5, 6, 7, -2, -1, 0, 1, 1]


@task
def numbers(start: int, n: int = 1) -> Iterator[int]:
    yield from range(start, start + n)


@task(on_error="skip")
def not_negative(x: int) -> int:
    if x < 0:
        raise ValueError(x)
    return x


@task(on_error=lambda failed: 100)
def mended(x: Any) -> Any:
    if x == 0:
        raise ValueError(x)
    return x


@task
def attempted(x: Any) -> Any:
    if x == 1:
        raise ValueError(x)
    return x


@task
def told(x: Any) -> str:
    return "failed" if isinstance(x, daglite.Failed) else str(x)


@task
def joined(text: str, item: int) -> str:
    return f"{text}{item},"


def both(left: str, right: str) -> str:
    return left + right


@EVERYWHERE
@PLAIN_TOO
def test_items_come_by_partition_and_then_by_place(runtime: RuntimeName, optimize: bool) -> None:
    assert compile(numbers.iter_partitions(PARTITIONS), optimize=optimize).run(runtime=runtime, workers=2) == ITEMS


@EVERYWHERE
@PLAIN_TOO
def test_a_fold_in_parts_is_the_fold_in_order(runtime: RuntimeName, optimize: bool) -> None:
    """Text put together shows what went where; the initial value enters once."""
    folded = numbers.iter_partitions(PARTITIONS).then(double).reduce(joined, initial="#", combine=both, empty="")
    plan = compile(folded, optimize=optimize)

    assert plan.run(runtime=runtime, workers=2) == "#" + "".join(f"{2 * item}," for item in ITEMS)


@settings(max_examples=30, deadline=None)
@given(
    st.lists(st.fixed_dictionaries({"start": st.integers(-9, 9), "n": st.integers(0, 5)}), max_size=6),
    st.sampled_from(["inline", "threads"]),
)
def test_folding_partitions_is_folding_all_their_items(partitions: list[dict[str, int]], runtime: RuntimeName) -> None:
    """The law of the rule `fold_partitions`, with steps and without."""
    items = [one for given in partitions for one in range(given["start"], given["start"] + given["n"])]
    stream = numbers.iter_partitions(partitions)
    text = stream.then(double).reduce(joined, initial="#", combine=both, empty="")

    assert text.run(runtime=runtime) == "#" + "".join(f"{2 * item}," for item in items)
    assert stream.sum().run(runtime=runtime) == sum(items)
    assert stream.run(runtime=runtime) == items


@settings(max_examples=30, deadline=None)
@given(
    st.lists(st.fixed_dictionaries({"start": st.integers(-9, 9), "n": st.integers(0, 5)}), max_size=6),
    st.lists(st.sampled_from([double, not_negative, mended]), max_size=3),
    st.booleans(),
    st.sampled_from(["inline", "threads"]),
)
def test_whatever_stands_on_the_way_the_fold_is_that_of_the_items(
    partitions: list[dict[str, int]], steps: list[Any], attempts: bool, runtime: RuntimeName
) -> None:
    """Optimised or not: tasks that skip items, keep failed ones, or put something in their place."""
    stream: Any = numbers.iter_partitions(partitions)
    for step in steps:
        stream = stream.then(step)
    stream = stream.attempt(attempted) if attempts else stream
    folded = stream.then(told).reduce(joined, initial="#", combine=both, empty="")

    wanted = compile(folded, optimize=False).run(runtime="inline")
    assert folded.run(runtime=runtime, workers=2) == wanted
    assert stream.count().run(runtime=runtime, workers=2) == len(wanted.split(",")) - 1


def test_only_parts_come_back_where_workers_fold() -> None:
    """One line for the generator, none for taking apart, and every step on workers."""
    told = compile(numbers.iter_partitions(PARTITIONS).then(double).reduce(add, initial=0, combine=add)).explain()

    assert "fold_partitions 1" in told
    assert "unbatch" not in told
    assert "coordinator" not in told


@task
async def awaited(x: int) -> int:
    return x


@task
async def awaited_numbers(start: int, n: int = 1) -> AsyncIterator[int]:
    for item in range(start, start + n):
        yield item


def _broken(start: int, n: int = 1) -> Iterator[int]:
    yield from range(start, start + n)
    if start == 0:
        raise ValueError(start)


PLAIN: Any = numbers.iter_partitions(PARTITIONS)
# What is kept as it is, and the sum that it gives.
KEPT: dict[str, tuple[Any, int]] = {
    "saved": (PLAIN.then(double).save("{iteration_index}", save_store=Memory()), 2 * sum(ITEMS)),
    "filtered": (PLAIN.filter(one), sum(ITEMS)),
    "skipped": (PLAIN.then(not_negative), 5 + 6 + 7 + 1 + 1),
    "skipped further on": (PLAIN.then(double).then(not_negative), 2 * (5 + 6 + 7 + 1 + 1)),
    "tried again": (numbers.with_options(retries=1).iter_partitions(PARTITIONS), sum(ITEMS)),
    "timed": (numbers.with_options(timeout=9).iter_partitions(PARTITIONS), sum(ITEMS)),
    "partitions skipped": (task(_broken, on_error="skip").iter_partitions(PARTITIONS), sum(ITEMS)),
    "partitions replaced": (task(_broken, on_error=lambda failed: [100]).iter_partitions(PARTITIONS), 100 + sum(ITEMS)),
    "somewhere else": (PLAIN.then(double.with_options(on="threads")), 2 * sum(ITEMS)),
    "awaited": (
        numbers.with_options(on="threads").iter_partitions(PARTITIONS).then(awaited.with_options(on="threads")),
        sum(ITEMS),
    ),
    "awaited partitions": (awaited_numbers.with_options(on="threads").iter_partitions(PARTITIONS), sum(ITEMS)),
}


@pytest.mark.parametrize("kept", KEPT)
def test_what_would_change_meaning_is_not_folded_in_partitions(kept: str) -> None:
    stream, wanted = KEPT[kept]
    plan = compile(stream.reduce(add, initial=0, combine=add))

    assert "fold_partitions" not in plan.explain()
    assert plan.run(workers=2) == wanted


@EVERYWHERE
@PLAIN_TOO
def test_items_are_numbered_through_all_partitions(runtime: RuntimeName, optimize: bool) -> None:
    store = Memory()
    stream = numbers.iter_partitions(PARTITIONS).then(double).save("{iteration_index}", save_store=store)
    compile(stream, optimize=optimize).run(runtime=runtime, workers=2)

    assert store.saved == [(str(place), 2 * item) for place, item in enumerate(ITEMS)]


@EVERYWHERE
@PLAIN_TOO
def test_fixed_parameters_and_futures_go_to_every_partition(runtime: RuntimeName, optimize: bool) -> None:
    stream = numbers.partial(n=one(n=2)).iter_partitions([{"start": 1}, {"start": 7}])
    assert compile(stream, optimize=optimize).run(runtime=runtime, workers=2) == [1, 2, 7, 8]


@EVERYWHERE
@PLAIN_TOO
def test_partitions_may_be_made_by_a_task(runtime: RuntimeName, optimize: bool) -> None:
    @task
    def plan_work() -> list[dict[str, int]]:
        return PARTITIONS

    assert compile(numbers.iter_partitions(plan_work()), optimize=optimize).run(runtime=runtime, workers=2) == ITEMS


@EVERYWHERE
@pytest.mark.parametrize("folded", [False, True])
def test_what_a_partition_raises_names_it(runtime: RuntimeName, folded: bool) -> None:
    @task
    def broken(start: int) -> Iterator[int]:
        yield start
        if start == 7:
            raise ValueError("cannot be read")

    stream: Any = broken.iter_partitions([{"start": 1}, {"start": 7}, {"start": 2}])
    stream = stream.reduce(add, initial=0, combine=add) if folded else stream
    with pytest.raises(ValueError, match="cannot be read") as caught:
        stream.run(runtime=runtime, workers=2)

    failure = failure_of(caught.value)
    assert failure is not None
    assert (failure.task, failure.index, failure.item) == ("broken", 1, "{'start': 7}")


@pytest.mark.parametrize("method", get_args(StartMethod)[1:])
@pytest.mark.parametrize("folded", [False, True])
def test_a_lost_partition_runs_again(method: StartMethod, folded: bool, tmp_path: Any, nothing_left: None) -> None:
    @task
    def dying(name: str) -> Iterator[int]:
        yield from range(3)
        if not os.path.exists(name):
            open(name, "w").close()
            os.kill(os.getpid(), signal.SIGKILL)
        yield from range(3, 3000)

    stream: Any = dying.iter_partitions([{"name": str(tmp_path / str(n))} for n in range(3)])
    found = (stream.reduce(add, initial=0, combine=add) if folded else stream).run(workers=2, start_method=method)

    assert found == (3 * sum(range(3000)) if folded else [*range(3000)] * 3)


def test_partitions_are_read_when_the_plan_is_built() -> None:
    """An iterator may be given: a plan can run often."""
    plan = compile(numbers.iter_partitions({"start": n} for n in range(3)))
    assert plan.run(runtime="inline") == plan.run(runtime="inline") == [0, 1, 2]


@pytest.mark.parametrize(
    ("given", "match"),
    [
        ({"start": 1}, r"needs several mappings of arguments, one for each partition"),
        (3, r"needs several mappings of arguments, one for each partition"),
        ([{"start": 1}, 3], r"partition 1 of `iter_partitions` must hold arguments of task 'numbers' by name; got 3"),
        ([{1: 1}], r"partition 0 of `iter_partitions` must hold arguments of task 'numbers' by name"),
        ([{"strat": 1}], r"partition 0 of `iter_partitions`: task 'numbers' has no parameter 'strat'.*'start'"),
        ([{"start": 1}, {"n": 1}], r"partition 1 of `iter_partitions`: .*missing a required argument: 'start'"),
        ([{"start": one(n=1)}], r"partition 0 of `iter_partitions`: 'start' is a future"),
    ],
    ids=["one mapping", "a number", "a number among them", "no names", "misspelt", "missing", "a future inside"],
)
def test_what_does_not_fit_is_refused_where_it_is_given(given: Any, match: str) -> None:
    with pytest.raises(ParameterError, match=match):
        numbers.iter_partitions(given)


def test_plans_of_partitions_can_be_pickled_and_compared() -> None:
    first, second = (daglite.compile(numbers.iter_partitions(PARTITIONS).count()) for _ in range(2))
    assert first == second
    assert first != daglite.compile(numbers.iter_partitions(PARTITIONS[:2]).count())
