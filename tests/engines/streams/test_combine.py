"""Folds with `combine`: workers fold their batches, and only parts travel."""

from __future__ import annotations

import logging
import os
import signal
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from daglite import compile, task
from daglite.exceptions import ParameterError, TransferError, WorkerDiedError, failure_of
from daglite.options import RuntimeName
from daglite.runtime.engines.config import Auto
from daglite.runtime.engines.cost_model import Answer, PlacementPolicy, SliceStats
from tests.engines.local.choosing import at
from tests.samples import DIVISION_BY_ZERO, Memory
from tests.tasks import add, count, double

pytestmark = pytest.mark.timeout(60)
CREWS: list[RuntimeName] = ["threads", "processes"]


def plus(one: int, other: int) -> int:
    return one + other


@task
def seen(places: dict[int, int], x: int) -> dict[int, int]:
    """How many items were folded by which thread of which process."""
    here = threading.get_native_id()
    return places | {here: places.get(here, 0) + 1}


def met(one: dict[int, int], other: dict[int, int]) -> dict[int, int]:
    return {here: one.get(here, 0) + other.get(here, 0) for here in one | other}


@pytest.mark.parametrize("crew", CREWS)
@pytest.mark.parametrize("then", [True, False])
def test_fold_runs_where_explain_says(crew: RuntimeName, then: bool, nothing_left: None) -> None:
    stream: Any = count.iter(n=300)
    stream = stream.then(double) if then else stream
    places = compile(stream.reduce(seen, initial={}, combine=met))
    plain = compile(stream.reduce(seen, initial={}))

    found = places.run(runtime=crew, workers=2)

    assert " + workers      reduce seen(initial={})" in places.explain()
    assert sum(found.values()) == 300
    assert threading.get_native_id() not in found
    assert " + coordinator  reduce seen(initial={})" in plain.explain()
    # The plain fold may run on the helper thread.
    assert {threading.get_native_id(), *plain.run(runtime="inline")} == {threading.get_native_id()}


def test_parts_are_fewer_than_items(nothing_left: None) -> None:
    """What travels back is one part for each batch, counted by `combine` itself."""
    parts = [0]

    def counted(one: int, other: int) -> int:
        parts[0] += 1
        return one + other

    plan = compile(count.iter(n=20_000).then(double).reduce(add, initial=100, combine=counted))
    assert plan.run(workers=2) == 100 + 20_000 * 19_999
    # Batches double from 1 to some hundreds; `combine` is tried before, too.
    assert 10 < parts[0] < 1000


@pytest.mark.parametrize("runtime", ["inline", "auto", *CREWS])
@pytest.mark.parametrize("optimize", [True, False])
def test_initial_is_there_once(runtime: RuntimeName, optimize: bool) -> None:
    for n in (0, 1, 2, 50):
        pipeline = count.iter(n=n).then(double).reduce(add, initial=100, combine=plus)
        assert compile(pipeline, optimize=optimize, max_batch_size=3).run(runtime=runtime, workers=3) == 100 + n * (
            n - 1
        )


@pytest.mark.parametrize("runtime", ["inline", "auto", *CREWS])
def test_empty_and_what_combine_is_given_may_come_from_futures(runtime: RuntimeName) -> None:
    @task
    def start() -> tuple[int, int]:
        return 0, 0

    @task
    def both(acc: tuple[int, int], x: int) -> tuple[int, int]:
        return acc[0] + 1, acc[1] + x

    @task
    def together(one: tuple[int, int], other: tuple[int, int], sign: int = -1) -> tuple[int, int]:
        return one[0] + other[0], one[1] + sign * other[1]

    merge: Any = together.partial(sign=add(total=0, item=1))
    empty: Any = start()
    pipeline = count.iter(n=50).reduce(both, initial=(3, 10), combine=merge, empty=empty)
    assert pipeline.run(runtime=runtime, workers=2) == (53, 10 + 1225)


@pytest.mark.parametrize("runtime", ["inline", "auto", *CREWS])
def test_missing_empty_is_told_before_the_source_is_asked(runtime: RuntimeName) -> None:
    asked = [0]

    @task
    def source() -> Iterator[int]:
        asked[0] += 1
        yield 1

    pipeline = source.iter().then(double).reduce(add, initial=7, combine=lambda one, other: one + other + 1)
    with pytest.raises(ParameterError, match=r"`initial` 7 needs `empty`"):
        pipeline.run(runtime=runtime)
    assert asked == [0]


@pytest.mark.parametrize("crew", CREWS)
def test_failing_fold_names_task_and_item(crew: RuntimeName, nothing_left: None) -> None:
    @task
    def picky(total: int, x: int) -> int:
        if x == 34:
            raise ValueError("not this one")
        return total + x

    with pytest.raises(ValueError, match=r"^not this one") as caught:
        count.iter(n=500).then(double).reduce(picky, initial=0, combine=plus).run(runtime=crew, workers=2)
    failure = failure_of(caught.value)
    assert failure is not None
    assert (failure.task, failure.index, failure.step) == ("picky", 17, 2)
    assert failure.worker is not None


@pytest.mark.parametrize("crew", CREWS)
def test_failing_task_before_the_fold_is_named(crew: RuntimeName) -> None:
    inverse = task(lambda x: 1 // (x - 17), name="inverse")

    with pytest.raises(ZeroDivisionError, match=f"^{DIVISION_BY_ZERO}") as caught:
        count.iter(n=500).then(inverse).reduce(add, initial=0, combine=plus).run(runtime=crew, workers=2)
    failure = failure_of(caught.value)
    assert failure is not None
    assert (failure.task, failure.index, failure.item) == ("inverse", 17, "17")


@pytest.mark.parametrize("crew", CREWS)
@pytest.mark.parametrize("plain", [True, False])
def test_failing_combine_is_named(crew: RuntimeName, plain: bool, nothing_left: None) -> None:
    def refuse(one: int, other: int) -> int:
        if one + other > 1000:
            raise ValueError("too much")
        return one + other

    combine: Any = refuse if plain else task(name="refuse")(refuse)
    with pytest.raises(ValueError, match=r"^too much") as caught:
        count.iter(n=500).then(double).reduce(add, initial=0, combine=combine).run(runtime=crew, workers=2)
    failure = failure_of(caught.value)
    assert failure is not None
    assert (failure.task, failure.index, failure.worker) == ("refuse", None, None)


@pytest.mark.parametrize("crew", CREWS)
def test_exit_in_combine_does_not_end_the_program(crew: RuntimeName) -> None:
    def leaves(one: int, other: int) -> int:
        if one > 3:
            raise SystemExit(3)
        return one + other

    with pytest.raises(Exception, match=r"^task 'leaves' raised SystemExit: 3"):
        count.iter(n=500).reduce(add, initial=0, combine=task(name="leaves")(leaves)).run(runtime=crew, workers=2)


def test_part_that_cannot_be_sent_is_named(nothing_left: None) -> None:
    @task
    def holds(acc: Any, x: int) -> Any:
        return threading.Lock() if x == 5 else acc

    with pytest.raises(TransferError, match=r"^the result of task 'holds' cannot be sent back: ") as caught:
        count.iter(n=6).reduce(holds, initial=None, combine=lambda one, other: one).run(workers=1)
    failure = failure_of(caught.value)
    assert failure is not None
    assert (failure.task, failure.index) == ("holds", 5)


class Sour:
    """Pickles, and does not load."""

    def __reduce__(self) -> tuple[Any, ...]:
        return int, ("sour",)


@pytest.mark.parametrize("saved", [True, False])
def test_part_that_cannot_be_loaded_is_named(saved: bool, nothing_left: None) -> None:
    @task
    def sours(acc: Any, x: int) -> Any:
        return Sour() if x == 5 else acc

    stream: Any = count.iter(n=6)
    stream = stream.then(task(lambda x: x)).save("{iteration_index}", save_store=Memory()) if saved else stream
    with pytest.raises(TransferError, match=r"^a result of task 'sours' cannot be loaded in the coordinator: Val") as e:
        stream.reduce(sours, initial=None, combine=lambda one, other: one).run(workers=1)
    failure = failure_of(e.value)
    assert failure is not None
    assert (failure.task, failure.index) == ("sours", 5)


def test_start_that_cannot_be_sent_is_named(nothing_left: None) -> None:
    class Local:
        def __deepcopy__(self, memo: object) -> Local:
            return self

        def __reduce__(self) -> Any:
            raise TypeError("stays here")

    with pytest.raises(TransferError, match=r"^`initial` or `empty` of task 'keeps' cannot be sent to a worker: "):
        count.iter(n=3).reduce(
            task(name="keeps")(lambda acc, x: acc), initial=Local(), combine=lambda one, other: one
        ).run(workers=1)


@pytest.mark.parametrize("runtime", ["inline", "auto", *CREWS])
@pytest.mark.parametrize("ordered", [True, False])
def test_saves_on_the_way_are_all_there(runtime: RuntimeName, ordered: bool) -> None:
    """Items, results on the way, the last results and the value."""
    store = Memory()
    stream = count.iter(n=40).save("i{iteration_index}", save_store=store)
    stream2 = stream.then(double).save("a{iteration_index}", save_store=store).then(double)
    stream3 = stream2.then(double).save("b{iteration_index}", save_store=store)
    future = stream3.reduce(add, initial=5, combine=plus, ordered=ordered).save("sum", save_store=store)

    assert future.run(runtime=runtime, workers=2) == 5 + 8 * 780
    for letter, by in (("i", 1), ("a", 2), ("b", 8)):
        assert {key: value for key, value in store.saved if key.startswith(letter)} == {
            f"{letter}{index}": index * by for index in range(40)
        }
    assert store.saved[-1] == ("sum", 5 + 8 * 780)
    assert len(store.saved) == 121


def test_large_part_does_not_keep_batches_small() -> None:
    """A part is as large for one item as for many: were its bytes the items', each would travel alone."""
    parts = [0]

    def joined(one: bytes, other: bytes) -> bytes:
        parts[0] += 1
        return one

    @task
    def blot(acc: bytes, x: int) -> bytes:
        return acc

    count.iter(n=2000).reduce(blot, initial=b"x" * 100_000, combine=joined, empty=b"x" * 100_000).run(workers=1)
    assert parts[0] < 500


def test_dead_worker_folds_its_items_again(tmp_path: Path, nothing_left: None) -> None:
    """Nothing of its part is lost, and nothing is in the result twice."""
    marker, mine = str(tmp_path / "dead"), os.getpid()

    @task
    def deadly(acc: list[int], x: int) -> list[int]:
        if x == 90 and os.getpid() != mine and not os.path.exists(marker):
            with open(marker, "w"):
                os.kill(os.getpid(), signal.SIGKILL)
        return [*acc, x]

    plan = compile(count.iter(n=200).reduce(deadly, initial=[-1], combine=lambda one, other: one + other))
    assert plan.run(workers=2) == [-1, *range(200)]
    assert os.path.exists(marker)


def test_item_that_kills_its_folder_is_named(nothing_left: None) -> None:
    @task
    def fatal(acc: int, x: int) -> int:
        if x == 30:
            os.kill(os.getpid(), signal.SIGKILL)
        return acc

    with pytest.raises(WorkerDiedError, match=r"while it ran task 'double -> fatal' on item 15; started 3 times"):
        count.iter(n=50).then(double).reduce(fatal, initial=0, combine=plus).run(workers=2)


@pytest.mark.parametrize("crew", CREWS)
def test_async_folds_and_combines(crew: RuntimeName) -> None:
    @task
    async def later(total: int, x: int) -> int:
        return total + x

    @task
    async def sum_of(one: int, other: int) -> int:
        return one + other

    assert count.iter(n=300).reduce(later, initial=1, combine=sum_of).run(runtime=crew, workers=2) == 1 + 44_850


@pytest.mark.parametrize("crew", CREWS)
def test_slow_head_keeps_the_order(crew: RuntimeName) -> None:
    @task
    def named(acc: str, x: int) -> str:
        time.sleep(0.05 if x == 0 else 0)
        return f"{acc}{x},"

    plan = compile(count.iter(n=60).reduce(named, initial=">", combine=lambda one, other: one + other), max_in_flight=8)
    assert plan.run(runtime=crew, workers=3) == ">" + "".join(f"{x}," for x in range(60))


@pytest.mark.parametrize("crew", CREWS)
def test_logs_of_a_fold_name_it(crew: RuntimeName, caplog: pytest.LogCaptureFixture) -> None:
    """Records of a worker say which task wrote them, and at which item."""

    @task
    def noisy(total: int, x: int) -> int:
        if x == 6:
            logging.getLogger("fold").warning("here")
        return total + x

    count.iter(n=5).then(double).reduce(noisy, initial=0, combine=plus).run(runtime=crew, workers=1)

    (found,) = [vars(record) for record in caplog.records if record.name == "fold"]
    assert (found["daglite_task"], found["daglite_index"]) == ("noisy", 3)


@pytest.mark.parametrize("place", CREWS)
@pytest.mark.parametrize("moves", [None, 1, 2, 17, 59])
@pytest.mark.parametrize("ordered", [True, False])
def test_a_fold_moves_with_its_stream(place: RuntimeName, moves: int | None, ordered: bool) -> None:
    """With `auto` the first items are folded here and the rest there; `initial` is in it once, and stays as it is."""
    start = [100]

    @task
    def gather(total: list[int], item: int) -> list[int]:
        total.append(item)
        return total

    joined = task(lambda a, b: a + b, name="joined")
    runtime = at(moves, "threads" if place == "threads" else "processes")
    streams: list[Any] = [count.iter(n=60), count.iter(n=60).then(double)]
    for factor, stream in enumerate(streams, 1):
        found = stream.reduce(gather, initial=start, combine=joined, ordered=ordered).run(runtime=runtime)
        wanted = [100, *(factor * n for n in range(60))]
        assert (found if ordered else sorted(found)) == (wanted if ordered else sorted(wanted))
    assert start == [100]


def test_a_fold_that_takes_long_is_a_reason_to_move() -> None:
    """Where workers can fold, its time counts as that of a task."""

    @task
    def slowly(total: int, item: int) -> int:
        time.sleep(0.01)
        return total + item

    choices = []

    class Noting(PlacementPolicy):
        def observe(self, seen: SliceStats, more: int | None) -> Answer:
            choices.append((super().observe(seen, more), seen.wall))
            return "stay"

    runtime = Auto(2, choose=Noting)
    assert count.iter(n=5).then(double).reduce(slowly, initial=0, combine=plus).run(runtime=runtime) == 20
    assert sum(wall for _, wall in choices) >= 0.05
    choices.clear()
    assert count.iter(n=5).then(double).reduce(slowly, initial=0).run(runtime=runtime) == 20
    assert sum(wall for _, wall in choices) < 0.02
