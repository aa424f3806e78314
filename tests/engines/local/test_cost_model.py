"""Where a stream goes on, from measurements that are given, not taken."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import pytest
from hypothesis import given, strategies as st

from daglite.runtime.engines.cost_model import Answer, PlacementOptions, PlacementPolicy, SliceStats

PLACES = PlacementOptions(processes=2, threads=6, processors=2, start=0.013)


@dataclass
class Stream:
    """Seconds of the task at an item; the share of it that needs a processor; seconds of all else at an item."""

    task: Callable[[int], float]
    share: float = 1.0
    beside: float = 0.1e-6
    nbytes: int = 0


def moved(stream: Stream, items: int, *, known: bool = False, places: PlacementOptions = PLACES) -> tuple[Answer, int]:
    """What a choice says of a stream, and after how many items; it runs them as it is told."""
    choice, done = PlacementPolicy(places), 0
    while done < items:
        part, first = choice.next(), done
        wall = seconds = 0.0
        while done < items and done - first < part.items and seconds < part.seconds:
            wall += stream.task(done)
            seconds += stream.task(done) + stream.beside
            done += 1
        count = done - first
        pauses = count if stream.share < 0.5 else 0
        seen = SliceStats(count, seconds, count * stream.nbytes, part.timed, *(
            (wall, stream.share * wall, pauses) if part.timed else ()
        ))  # fmt: skip
        if (answer := choice.observe(seen, items - done if known else None)) != "stay":
            return answer, done
    return "stay", done


def always(seconds: float) -> Callable[[int], float]:
    return lambda _: seconds


@pytest.mark.parametrize("seconds", [0.0, 5e-8, 2e-7, 4e-7])
@pytest.mark.parametrize("known", [False, True])
def test_trivial_tasks_stay(seconds: float, known: bool) -> None:
    assert moved(Stream(always(seconds)), 1_000_000, known=known)[0] == "stay"


@pytest.mark.parametrize("seconds", [1e-5, 1e-4, 1e-3, 0.02, 1.0])
def test_computing_goes_to_processes_before_it_costs_anything(seconds: float) -> None:
    answer, after = moved(Stream(always(seconds)), 10_000_000)
    assert answer == "processes"
    assert after * seconds <= max(0.015, seconds)


@pytest.mark.parametrize("seconds", [1e-4, 1e-3, 0.02, 1.0])
def test_waiting_goes_to_threads(seconds: float) -> None:
    answer, after = moved(Stream(always(seconds), share=0.02), 100_000)
    assert answer == "threads"
    assert after <= 60
    assert after * seconds <= max(0.012, seconds)


def test_few_known_items_stay_and_many_go() -> None:
    assert moved(Stream(always(0.001)), 15, known=True)[0] == "stay"
    assert moved(Stream(always(0.001)), 100, known=True) == ("processes", 2)
    assert moved(Stream(always(0.5)), 1, known=True)[0] == "stay"


def test_a_slow_start_of_workers_needs_more_work() -> None:
    slow = PLACES.__class__(processes=2, threads=6, processors=2, start=0.3)
    assert moved(Stream(always(0.001)), 400, places=slow)[1] > 200
    assert moved(Stream(always(0.001)), 400, places=PLACES)[1] < 20


def test_one_processor_gains_nothing_from_computing() -> None:
    alone = PlacementOptions(processes=4, threads=6, processors=1, start=0.013)
    assert moved(Stream(always(0.001)), 10_000, places=alone)[0] == "stay"
    assert moved(Stream(always(0.001), share=0.01), 10_000, places=alone)[0] == "threads"


@pytest.mark.parametrize("beside", [0.0005, 0.05])
def test_a_slow_source_or_fold_is_no_reason_to_move(beside: float) -> None:
    assert moved(Stream(always(1e-6), beside=beside), 5000)[0] == "stay"
    assert moved(Stream(always(beside / 20), beside=beside), 5000)[0] == "stay"


def test_large_items_pay_for_their_way() -> None:
    assert moved(Stream(always(0.002), nbytes=16_000_000), 1000)[0] == "stay"
    assert moved(Stream(always(0.02), nbytes=16_000_000), 1000)[0] == "processes"


@pytest.mark.parametrize("turn", [1, 100, 40_000])
def test_items_that_become_slow_are_noticed(turn: int) -> None:
    """Whenever it happens, at most a few slices later."""
    answer, after = moved(Stream(lambda index: 1e-7 if index < turn else 0.001), 10_000_000)
    assert answer == "processes"
    assert after <= 2 * turn + 30_000


def test_items_that_grow_are_noticed() -> None:
    assert moved(Stream(lambda index: index * 1e-7), 100_000)[0] == "processes"


def test_some_slow_items_among_many_count_with_their_share() -> None:
    """One in forty takes a hundred times as long: on the whole it is worth it, whichever were timed."""
    assert moved(Stream(lambda index: 0.1 if index % 40 == 20 else 0.001, share=0.02), 400)[0] == "threads"
    assert moved(Stream(lambda index: 0.1 if index % 40 == 20 else 0.001), 400)[0] == "processes"


def test_one_slow_item_is_no_reason_to_move() -> None:
    """Not the first, which may have loaded something, nor one among hundreds of thousands."""
    assert moved(Stream(lambda index: 0.009 if index == 0 else 1e-7), 100_000)[0] == "stay"
    assert moved(Stream(lambda index: 0.02 if index == 300_000 else 1e-7), 2_000_000)[0] == "stay"


def test_waiting_for_a_processor_is_not_waiting() -> None:
    """A task that computes beside busy neighbours takes long on the clock, but it never gives its processor up."""
    choice = PlacementPolicy(PLACES)
    choice.observe(SliceStats(1, 0.005, 0, True, 0.005, 0.001, 0), None)
    assert choice.observe(SliceStats(20, 0.1, 0, True, 0.1, 0.02, 0), None) == "processes"
    choice = PlacementPolicy(PLACES)
    choice.observe(SliceStats(1, 0.005, 0, True, 0.005, 0.001, 1), None)
    assert choice.observe(SliceStats(20, 0.1, 0, True, 0.1, 0.02, 20), None) == "threads"


def test_a_place_that_cannot_be_had_is_not_asked_for_again() -> None:
    choice = PlacementPolicy(PLACES)
    slow = SliceStats(100, 0.1, 0, True, 0.1, 0.1, 0)
    assert choice.observe(slow, None) == "processes"
    choice.close("processes")
    assert [choice.observe(slow, None) for _ in range(10)] == ["stay"] * 10


@given(
    slices=st.lists(
        st.builds(
            SliceStats,
            st.integers(0, 1000),
            st.floats(0, 100),
            st.integers(0, 10**9),
            st.booleans(),
            st.floats(0, 100),
            st.floats(0, 100),
            st.integers(0, 1000),
        ),
        max_size=20,
    ),
    more=st.none() | st.integers(0, 10**6),
    processors=st.integers(1, 64),
)
def test_any_measurements_give_an_answer(slices: list[SliceStats], more: int | None, processors: int) -> None:
    choice = PlacementPolicy(PlacementOptions(processors, 4 + processors, processors, 0.01))
    for seen in slices:
        part = choice.next()
        assert part.items >= 1
        assert part.seconds > 0
        answer = choice.observe(seen, more)
        assert answer in ("stay", "threads", "processes")
        assert more != 0 or answer == "stay"
        assert choice.describe()
