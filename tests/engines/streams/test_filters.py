"""Items that are dropped on the way: what is saved, what fails, what stays alive, and what they are known by."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any, get_args

import pytest

from daglite import compile, task
from daglite.exceptions import DatasetError, TransferError, failure_of
from daglite.options import RuntimeName
from tests.samples import Memory, double, fold, odd, pair, rows, scale, shown

pytestmark = pytest.mark.timeout(60)
EVERYWHERE = pytest.mark.parametrize("runtime", get_args(RuntimeName))
PLAIN_TOO = pytest.mark.parametrize("optimize", [True, False])


@task
def fails_at(x: int, bad: int) -> int:
    if x == bad:
        raise ValueError(x)
    return x


@task
def never(x: int) -> bool:
    return False


@EVERYWHERE
@PLAIN_TOO
def test_saves_on_the_way_keep_what_reached_them(runtime: RuntimeName, optimize: bool) -> None:
    """Under the index that the item has from the source: dropped items leave gaps, so no key comes twice."""
    store = Memory()
    stream = rows.iter(n=6).save("in{iteration_index}").filter(odd).save("odd{iteration_index}").then(double)
    stream = stream.save("twice{iteration_index}").filter(odd, by=6).save("end{iteration_index}")

    assert compile(stream, optimize=optimize).run(runtime=runtime, workers=2, store=store) == [2, 10]
    assert sorted(store.saved) == [
        ("end1", 2), ("end5", 10), *((f"in{i}", i) for i in range(6)),
        ("odd1", 1), ("odd3", 3), ("odd5", 5), ("twice1", 2), ("twice3", 6), ("twice5", 10),
    ]  # fmt: skip


@EVERYWHERE
@PLAIN_TOO
def test_failure_behind_a_filter_names_the_item_of_the_source(runtime: RuntimeName, optimize: bool) -> None:
    plan = compile(rows.iter(n=900).filter(odd).filter(odd, by=3).then(fails_at, bad=601), optimize=optimize)

    with pytest.raises(ValueError, match="601") as caught:
        plan.run(runtime=runtime, workers=2)
    failure = failure_of(caught.value)
    assert failure is not None
    assert (failure.task, failure.index, failure.item) == ("fails_at", 601, "601")


@EVERYWHERE
@PLAIN_TOO
def test_failing_fold_behind_a_filter_names_the_item_of_the_source(runtime: RuntimeName, optimize: bool) -> None:
    @task
    def add(total: int, x: int) -> int:
        return total + 1 // (x - 7)

    with pytest.raises(ZeroDivisionError, match="by zero") as caught:
        compile(rows.iter(n=20).filter(odd).reduce(add, initial=0), optimize=optimize).run(runtime=runtime, workers=2)
    failure = failure_of(caught.value)
    assert failure is not None
    assert (failure.task.rpartition(".")[2], failure.index, failure.item) == ("add", 7, "7")


@EVERYWHERE
def test_readers_of_a_shared_filter_know_the_items_of_the_source(runtime: RuntimeName) -> None:
    """A stream that is kept as a list keeps the indices as well, through every list made of it."""
    store = Memory()
    stream = rows.iter(n=6).filter(odd)
    first = stream.then(scale).save("first{iteration_index}", save_store=store)
    both = pair(pair(first.then(double), first), stream.filter(odd, by=3).save("second{iteration_index}"))

    wanted = (([20, 60, 100], [10, 30, 50]), [1, 5])
    assert compile(both).run(runtime=runtime, workers=2, store=store) == wanted
    assert sorted(store.saved) == [("first1", 10), ("first3", 30), ("first5", 50), ("second1", 1), ("second5", 5)]


@EVERYWHERE
def test_list_of_a_filtered_stream_is_an_ordinary_list(runtime: RuntimeName) -> None:
    found = compile(shown(items=rows.iter(n=5).filter(odd))).run(runtime=runtime, workers=1)

    assert found == "[1, 3]."
    assert type(compile(rows.iter(n=5).filter(odd)).run(runtime=runtime, workers=1)) is list


@EVERYWHERE
def test_stream_of_which_nothing_is_left(runtime: RuntimeName) -> None:
    plan = compile(rows.iter(n=3000).filter(never), max_in_flight=4)

    assert plan.run(runtime=runtime, workers=2) == []
    assert list(plan.stream(runtime=runtime, workers=2)) == []
    assert compile(rows.iter(n=50).filter(never).reduce(fold, initial=3)).run(runtime=runtime, workers=2) == 3


@EVERYWHERE
@pytest.mark.parametrize("ordered", [True, False])
def test_dropped_items_leave_the_window_of_a_consumer(runtime: RuntimeName, ordered: bool) -> None:
    """Ten of them, and from then on all are kept: no more than three wait for whoever asks."""
    asked, taken = [0], [0]

    @task
    def source(n: int) -> Iterator[int]:
        for item in range(n):
            asked[0] += 1
            assert asked[0] - 10 - taken[0] <= 3, "too many alive"
            yield item

    plan: Any = compile(source.iter(n=60).filter(task(lambda x: x >= 10, name="late")), max_in_flight=3)
    found = []
    with plan.stream(runtime=runtime, workers=2, ordered=ordered) as items:
        for item in items:
            taken[0] += 1
            found.append(item)
    assert sorted(found) == list(range(10, 60))


@EVERYWHERE
def test_what_a_filter_gives_need_not_be_a_bool(runtime: RuntimeName) -> None:
    listed: Any = task(lambda x: [x] if x % 2 else [], name="listed")

    assert rows.iter(n=5).filter(listed).run(runtime=runtime, workers=1) == [1, 3]


@EVERYWHERE
def test_truth_that_raises_is_the_filters_failure(runtime: RuntimeName) -> None:
    class Unsure:
        def __bool__(self) -> bool:
            raise RuntimeError("who knows")

    unsure: Any = task(lambda x: Unsure() if x == 2 else True, name="unsure")
    with pytest.raises(RuntimeError, match="who knows") as caught:
        rows.iter(n=5).filter(unsure).run(runtime=runtime, workers=1)
    failure = failure_of(caught.value)
    assert failure is not None
    assert (failure.task, failure.index) == ("unsure", 2)


@pytest.mark.parametrize("runtime", ["threads", "processes"])
def test_results_before_a_failure_in_a_batch_are_saved(runtime: RuntimeName) -> None:
    """Those that came through, and what dropped ones left on the way; of the failed item nothing but its items."""
    store = Memory()
    stream = rows.iter(n=40).then(double).save("way{iteration_index}").filter(odd, by=3)
    plan = compile(stream.then(fails_at, bad=64).save("end{iteration_index}"), max_batch_size=16)

    with pytest.raises(ValueError, match="64"):
        plan.run(runtime=runtime, workers=1, store=store)
    kept = dict(store.saved)
    assert {f"way{i}" for i in range(32)} <= kept.keys()
    assert {f"end{i}" for i in range(32) if i % 3} == {key for key in kept if key.startswith("end")}


class Unloadable:
    """Pickles, and does not load in the process that made the test."""

    def __init__(self, x: int) -> None:
        self.x = x

    def __reduce__(self) -> tuple[Any, ...]:
        return _load, (self.x, os.getpid())


def _load(x: int, made_by: int) -> object:
    if os.getpid() != made_by:
        raise RuntimeError("not here")
    return Unloadable(x)


@task
def spoilt(x: int) -> object:
    return Unloadable(x) if x == 25 else x


@pytest.mark.parametrize("filters", [1, 2])
def test_result_that_cannot_be_loaded_is_named_among_dropped_ones(filters: int) -> None:
    stream: Any = rows.iter(n=60).filter(odd)
    if filters == 2:
        stream = stream.save("{iteration_index}", save_store=Memory()).filter(odd, by=3)
    with pytest.raises(TransferError, match="a result of task 'spoilt' cannot be loaded in the coordinator") as caught:
        compile(stream.then(spoilt), max_batch_size=8).run(runtime="processes", workers=1)
    failure = failure_of(caught.value)
    assert failure is not None
    assert failure.index == 25


def test_killed_worker_drops_what_it_would_have_dropped(tmp_path: Path) -> None:
    marker = str(tmp_path / "died")

    @task
    def once(x: int) -> bool:
        if x == 21:
            try:
                os.close(os.open(marker, os.O_CREAT | os.O_EXCL))
            except FileExistsError:
                return True
            os.kill(os.getpid(), signal.SIGKILL)
        return x % 2 == 1

    found = compile(rows.iter(n=60).filter(once)).run(runtime="processes", workers=2)

    assert found == list(range(1, 60, 2))
    assert os.path.exists(marker)


@EVERYWHERE
@PLAIN_TOO
def test_key_without_index_is_for_one_item_whatever_was_dropped_before_it(runtime: RuntimeName, optimize: bool) -> None:
    store = Memory()
    last = compile(rows.iter(n=6).filter(odd, by=5).filter(odd).save("only"), optimize=optimize)
    with pytest.raises(DatasetError, match="'only' would be written again by item 3"):
        last.run(runtime=runtime, workers=1, store=store)
    assert store.saved == [("only", 1)]

    single = compile(rows.iter(n=6, start=1).filter(task(lambda x: x == 4)).save("only"), optimize=optimize)
    assert single.run(runtime=runtime, workers=1, store=store) == [4]
    assert store.saved == [("only", 1), ("only", 4)]


@EVERYWHERE
def test_retries_and_async_filters(runtime: RuntimeName) -> None:
    tries: dict[int, int] = {}

    @task(retries=1)
    async def likes(x: int) -> bool:
        tries[x] = tries.get(x, 0) + 1
        if tries[x] == 1:
            raise ValueError("again")
        return x > 1

    assert rows.iter(n=4).filter(likes).run(runtime=runtime, workers=1) == [2, 3]


@EVERYWHERE
@PLAIN_TOO
def test_fold_that_could_be_done_in_parts_is_done_in_the_coordinator(runtime: RuntimeName, optimize: bool) -> None:
    """A part has no items any more, so nobody could tell what of it was dropped."""
    here = os.getpid()

    @task
    def add(total: int, x: int) -> int:
        assert os.getpid() == here
        return total + x

    pipeline = rows.iter(n=50).filter(odd).reduce(add, initial=1, combine=lambda one, other: one + other)
    plan = compile(pipeline, optimize=optimize)
    assert plan.run(runtime=runtime, workers=2) == 1 + sum(range(1, 50, 2))
    assert plan.explain().count("workers      reduce") == 0
