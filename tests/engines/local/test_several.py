"""Streams of several legs on `runtime="auto"`: begun in this process, moved with all that they hold, after any item."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from typing import Any

import pytest

import daglite
from daglite import task
from daglite.exceptions import failure_of
from daglite.runtime.engines.config import Auto
from daglite.runtime.engines.cost_model import Answer, PlacementOptions, PlacementPolicy, SliceStats
from daglite.runtime.engines.processes.pool import ProcessEngine
from tests.engines.local.choosing import at
from tests.samples import Memory
from tests.tasks import add, count, double

N = 23


@task
def total(items: Any) -> int:
    return sum(items)


@task
def spread(x: int) -> Iterator[int]:
    """One by one: as many as the last digit says."""
    for number in range(x % 4):
        yield 10 * x + number


@task
def listed(x: int) -> list[int]:
    return [x] * (x % 3)


@task
def odd(x: int) -> bool:
    return x % 2 == 1


@task
def small(pair: tuple[int, int]) -> bool:
    return pair[0] < 9


SOURCE = count.iter(n=N)
STREAMS: dict[str, Any] = {
    "batches": SOURCE.then(double).batch(5).then(total).enumerate(),
    "windows": SOURCE.then(double).window(3, step=2).then(total).reduce(add, initial=0),
    "filters": SOURCE.filter(odd).then(double).batch(2).then(total).filter(odd).enumerate(),
    "parts": SOURCE.then(listed).unbatch().then(double).batch(4).then(total),
    "one by one": SOURCE.flat_map(spread).then(double).flat_map(spread).batch(3).then(total),
    "apart at the end": SOURCE.then(double)
    .batch(7)
    .then(task(lambda items: items, name="same"))
    .unbatch()
    .then(double),
    "an early end": SOURCE.then(double).enumerate().take_while(small).then(total).batch(2).unbatch().then(double),
    "as many as pass": SOURCE.then(double).batch(2).then(total).filter(task(lambda x: x % 3 != 0, name="p")).take(4),
    "as many as wanted": SOURCE.then(double).batch(2).then(total).take(4),
    "none": count.iter(n=0).then(double).batch(2).then(total),
    "mapped": double.map(x=list(range(N))).batch(5).then(total),
    "in parts": SOURCE.then(double).batch(3).then(total).reduce(add, initial=0, combine=add),
    "in parts, from 100": SOURCE.then(double).batch(3).then(total).reduce(add, initial=100, combine=add, empty=0),
    "a zip": SOURCE.zip(SOURCE.then(double)).then(total).batch(4).then(total),
}


@pytest.mark.parametrize("name", STREAMS)
@pytest.mark.parametrize("most", [1, 1000])
def test_a_move_after_any_item_changes_nothing(name: str, most: int, nothing_left: None) -> None:
    """Every moment between two items of any leg is one at which it may move; with `most` 1 each of them comes."""
    stream = STREAMS[name]
    expected = stream.run(runtime="inline")
    found = {
        moves: stream.run(runtime=at(moves, "threads", most=most))
        for moves in (None, *range(1, 4 * N, 1 + most // 500))
    }
    assert {moves: value for moves, value in found.items() if value != expected} == {}
    for moves in (1, 6, 20, 41):
        assert stream.run(runtime=at(moves, "processes", most=most)) == expected


@pytest.mark.parametrize("moves", [None, 1, 2, 9, 30, 60])
def test_what_is_saved_is_saved_once_and_in_order(moves: int | None) -> None:
    """By each leg and each operation, numbered as they are."""
    store, stored = Memory(), Memory()

    def run(store: Memory, runtime: Any) -> None:
        stream = SOURCE.save("s{iteration_index}").then(double).save("d{iteration_index}").batch(4)
        stream.save("b{iteration_index}").then(total).save("t{iteration_index}").run(runtime=runtime, store=store)

    run(stored, "inline")
    run(store, at(moves, "threads"))
    for kind in "sdbt":
        ours, theirs = ([pair for pair in one.saved if pair[0][0] == kind] for one in (store, stored))
        assert ours == theirs


@pytest.mark.parametrize("moves", [None, 1, 5, 14, 25, 40])
@pytest.mark.parametrize("bad", [0, 7, 19])
def test_an_error_of_a_later_leg_comes_first(moves: int | None, bad: int, nothing_left: None) -> None:
    """Both fail: the first leg at an item behind the batch at which the second fails."""
    closed = []

    @task
    def source() -> Iterator[int]:
        try:
            yield from range(30)
        finally:
            closed.append(True)

    first = task(lambda x: 1 // (x - bad - 2) * 0 + x, name="first")
    second = task(lambda items: [1 // (x - bad) for x in items], name="second")
    with pytest.raises(ZeroDivisionError, match="division") as caught:
        source.iter().then(first).batch(2).then(second).run(runtime=at(moves, "threads"))
    facts = failure_of(caught.value)
    assert facts is not None
    assert (facts.task, facts.index) == ("second", bad // 2)
    assert closed == [True]


@pytest.mark.parametrize("moves", [None, 3, 8])
def test_items_of_each_leg_are_what_they_were(moves: int | None) -> None:
    """A task that changes what it is given does not change what operations keep, nor what others are given."""

    def spoil(items: list[list[int]]) -> int:
        found = sum(map(sum, items))
        for one in items:
            one.clear()
        return found

    once = SOURCE.then(task(lambda x: [x])).window(3).then(task(spoil))
    assert once.run(runtime=at(moves)) == [3 * n + 3 for n in range(N - 2)]
    kept: list[int] = []

    @task
    def again(x: int) -> list[int]:
        kept.append(x)
        return kept

    sizes = SOURCE.then(again).batch(23).then(task(lambda items: [len(one) for one in items])).run(runtime=at(None))
    assert sizes == [[*range(1, N + 1)]]


def test_an_item_without_an_end_is_taken_apart_as_it_is_asked_for() -> None:
    @task
    def endless(x: int) -> Iterator[int]:
        while True:
            yield x
            x += 1

    stream = count.iter(n=3).flat_map(endless).then(double).batch(2).then(total).take(3)
    for moves in (None, *range(1, 12)):
        assert stream.run(runtime=at(moves, "threads")) == [2, 10, 18]


@pytest.mark.parametrize("place", ["threads", "processes"])
def test_a_streamed_plan_of_several_legs_hands_out_every_item_once(place: Answer, nothing_left: None) -> None:
    plan = daglite.compile(SOURCE.then(double).batch(2).then(total).enumerate(), max_in_flight=4)
    expected = plan.run(runtime="inline")
    for moves in (None, 1, 6, 17):
        with plan.stream(runtime=at(moves, place)) as items:
            assert [*items] == expected
        with plan.stream(runtime=at(moves, place)) as items:
            assert next(items) == expected[0]


def test_trivial_work_of_several_legs_starts_no_worker(monkeypatch: pytest.MonkeyPatch) -> None:
    """By its own measurements this time."""
    monkeypatch.setattr(ProcessEngine, "__init__", None)
    numbers = count.iter(n=30_000)
    assert numbers.then(double).batch(100).then(total).sum().run(runtime="auto") == 899_970_000
    assert numbers.zip(numbers).then(total).sum().run(runtime="auto") == 899_970_000


def test_the_source_is_closed_before_what_was_kept_goes_on() -> None:
    seen: list[object] = []

    @task
    def source() -> Iterator[int]:
        try:
            yield from range(100)
        finally:
            seen.append("closed")

    @task
    def note(items: list[int]) -> int:
        seen.append(items)
        return len(items)

    stream = source.iter().then(double).take_while(task(lambda x: x < 6, name="low")).batch(2).then(note).enumerate()
    assert stream.run(runtime=at(None)) == [(0, 2), (1, 1)]
    assert seen == [[0, 2], "closed", [4]]


def test_nothing_that_is_kept_goes_on_when_enough_came() -> None:
    """The group that was begun when the last item had been wanted is nobody's."""
    noted: list[int] = []

    @task
    def note(group: tuple[int, list[int]]) -> int:
        noted.append(group[0])
        return group[0]

    groups = count.iter(n=40).then(double).group_by(task(lambda x: x // 20, name="tens")).then(note)
    assert groups.take_while(task(lambda x: x < 1, name="low")).then(double).run(runtime=at(None)) == [0]
    assert noted == [0, 1]


@pytest.mark.parametrize("moves", [None, 1, 4, 9, 13])
def test_an_item_that_fails_while_it_is_taken_apart_is_named(moves: int | None) -> None:
    @task
    def given(x: int) -> Iterator[int]:
        yield x
        yield 1 // (x - 5)

    with pytest.raises(ZeroDivisionError, match="division") as caught:
        count.iter(n=9).flat_map(given).then(double).run(runtime=at(moves, "threads", most=1))
    facts = failure_of(caught.value)
    assert facts is not None
    assert (facts.task, facts.index, facts.item) == ("given", 5, "5")


@pytest.mark.parametrize("moves", [None, 1, 4])
def test_a_source_that_fails_in_front_of_what_is_taken_apart_is_named(moves: int | None) -> None:
    @task
    def failing() -> Iterator[int]:
        yield 1
        yield 1 // 0

    with pytest.raises(ZeroDivisionError, match="division") as caught:
        failing.iter().flat_map(spread).then(double).run(runtime=at(moves, "threads", most=1))
    facts = failure_of(caught.value)
    assert facts is not None
    assert (facts.task, facts.index) == ("failing", None)


@pytest.mark.parametrize("moves", [None, *range(1, 14)])
def test_an_item_that_is_taken_apart_is_what_it_was_when_it_came(moves: int | None) -> None:
    """The generator has changed it by the time at which the rest is asked for."""

    @task
    def one_buffer() -> Iterator[list[int]]:
        buffer = [0]
        for number in range(6):
            buffer[0] = number
            yield buffer
        buffer[0] = -1

    @task
    def twice(items: list[int]) -> Iterator[int]:
        yield items[0]
        yield items[0]

    stream = one_buffer.iter().flat_map(twice).then(double)
    assert stream.run(runtime=at(moves, "threads", most=1)) == [2 * n for n in range(6) for _ in range(2)]


class Staying(PlacementPolicy):
    """Stays, and notes what it is told."""

    def __init__(self) -> None:
        super().__init__(PlacementOptions(processes=2, threads=2, processors=2, start=0.01))
        self.seen: list[tuple[SliceStats, int | None]] = []

    def observe(self, seen: SliceStats, more: int | None) -> Answer:
        super().observe(seen, more)
        self.seen.append((seen, more))
        return "stay"


def test_tasks_that_are_called_rarely_are_always_timed() -> None:
    """And so it is seen when they become slow, although hardly any slice that is timed has one of them."""
    calls = []

    def nap(x: object) -> object:
        calls.append(1)
        if len(calls) > 10:
            time.sleep(0.004)
        return x

    choice = Staying()
    count.iter(n=60_000).then(double).batch(1000).then(task(nap)).run(runtime=Auto(2, choose=lambda _: choice))
    assert sum(slice_.wall for slice_, _ in choice.seen) > 0.05


@pytest.mark.parametrize("kind", ["one by one", "behind another operation", "at the end"])
def test_it_moves_in_the_middle_of_an_item_that_is_taken_apart(kind: str) -> None:
    """All may come of one item of the source."""
    here: list[int] = []

    @task
    def note(x: int) -> int:
        here.append(threading.get_ident())
        return x

    forty = task(lambda x: list(range(40)), name="forty")
    streams: dict[str, Any] = {
        "one by one": count.iter(n=1).then(forty).unbatch().then(note).enumerate(),
        "behind another operation": count.iter(n=2).then(forty).skip(1).unbatch().then(note).enumerate(),
        "at the end": count.iter(n=30).then(double).batch(100).then(task(lambda items: items)).unbatch().then(note),
    }
    streams[kind].run(runtime=at(40 if kind == "at the end" else 8, "threads"))
    assert 0 < here.count(threading.get_ident()) < 30
    assert len(here) in (30, 40)


def test_items_of_all_legs_are_counted() -> None:
    """What is left is told in items of all legs, as far as it is known."""

    choice = Staying()
    double.map(x=list(range(100))).batch(10).then(total).run(runtime=Auto(2, choose=lambda _: choice))
    assert sum(slice_.items for slice_, _ in choice.seen) == 110
    assert (choice.seen[0][0].items, choice.seen[0][1]) == (1, 99)
    assert choice.seen[-1][1] in (0, None)
