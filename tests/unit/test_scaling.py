"""The model of how many workers a coordinator keeps busy: arithmetic that can be done by hand."""

from __future__ import annotations

import math
from typing import get_args

import pytest
from hypothesis import given, strategies as st

from daglite.options import Limits
from daglite.records import replace
from daglite.scaling import (
    BYTES,
    ENGINE_COSTS,
    CoordinatorPart,
    EngineCost,
    ItemLoad,
    PartKind,
    StreamStats,
    advice,
    fitted,
    is_bottleneck,
    least_item,
    most_workers,
    slowest,
)

ONE = Limits(max_batch_size=1)
FREE = EngineCost(0.0, 0.0, 0.0, math.inf, 0.0)
SEEN = StreamStats(
    2.0, 4, 1000, 100, 0, 1.9, 2.0, (CoordinatorPart("source", "rows", 1.5), CoordinatorPart("fold", "add", 0.3))
)


def test_workers_are_busy_as_long_as_items_take_them_longer_than_the_coordinator() -> None:
    assert most_workers(ItemLoad(0.001, 0.1), FREE, Limits()) == 100
    assert most_workers(ItemLoad(0.001, 0.0005), FREE, Limits()) == 0


def test_what_a_batch_costs_is_shared_by_its_items() -> None:
    cost = EngineCost(0.0, 0.01, 0.0, math.inf, 1.0)
    assert slowest(ItemLoad(0.0, 0.1), cost, 1, ONE) == pytest.approx(0.01)
    # A batch of a second holds ten of them.
    assert slowest(ItemLoad(0.0, 0.1), cost, 1, Limits()) == pytest.approx(0.001)


def test_a_scheduler_works_beside_the_coordinator() -> None:
    cost = EngineCost(0.0, 0.01, 0.04, math.inf, 0.0)
    assert slowest(ItemLoad(0.02, 1.0), cost, 1, ONE) == pytest.approx(0.04)
    assert slowest(ItemLoad(0.05, 1.0), cost, 1, ONE) == pytest.approx(0.06)


def test_bytes_have_a_limit_of_their_own() -> None:
    """Items of 8 MB keep 1,000 workers busy only if one takes some 20 s or more."""
    large = ItemLoad(0.0, 20.0, 8e6)
    assert slowest(large, ENGINE_COSTS["dask"], 1000, Limits()) == pytest.approx(8e6 / BYTES)
    assert 700 < most_workers(large, ENGINE_COSTS["dask"], Limits()) < 800


@pytest.mark.parametrize(("engine", "least"), [("dask", 1.4), ("ray", 0.46)])
def test_a_thousand_workers_want_batches_of_a_second(engine: str, least: float) -> None:
    """As DISTRIBUTED.md has it: N / C seconds, where each item is a batch."""
    assert least_item(1000, ENGINE_COSTS[engine], ONE) == pytest.approx(least, rel=0.01)


@given(
    workers=st.integers(1, 5000),
    engine=st.sampled_from(sorted(ENGINE_COSTS)),
    max_in_flight=st.sampled_from([None, 100, 10**6]),
    here=st.sampled_from([0.0, 1e-6, 1e-3]),
)
def test_the_least_item_is_where_the_workers_are_just_busy(
    workers: int, engine: str, max_in_flight: int | None, here: float
) -> None:
    cost, limits = ENGINE_COSTS[engine], Limits(max_in_flight=max_in_flight)
    least = least_item(workers, cost, limits, here)
    for factor, busy in ((1.01, True), (0.99, False)):
        load = ItemLoad(here + cost.item, least * factor)
        assert (workers * slowest(load, cost, workers, limits) <= load.worker) is busy


@given(here=st.floats(1e-5, 0.1), there=st.floats(1e-6, 5.0), engine=st.sampled_from(sorted(ENGINE_COSTS)))
def test_more_workers_than_that_are_not_all_busy(here: float, there: float, engine: str) -> None:
    load, cost, limits = ItemLoad(here, there), ENGINE_COSTS[engine], Limits()
    most = most_workers(load, cost, limits)
    assert not most or most * slowest(load, cost, most, limits) <= there
    assert (most + 1) * slowest(load, cost, most + 1, limits) > there


def test_a_run_in_which_workers_wait_for_the_coordinator_is_told() -> None:
    assert is_bottleneck(SEEN)
    assert (SEEN.share, SEEN.idle) == (0.95, 0.75)


@pytest.mark.parametrize(
    "otherwise",
    [
        {"busy": 1.0},  # the coordinator had time
        {"work": 7.9},  # the workers had none
        {"workers": 0},  # there were none
        {"busy": None},
        {"seconds": 0.05, "busy": 0.05, "work": 0.0},  # nobody can tell
        {"seconds": 0.0, "busy": 0.0},
    ],
)
def test_other_runs_are_not_blamed_on_it(otherwise: dict[str, float | None]) -> None:
    assert not is_bottleneck(replace(SEEN, **otherwise))


def test_what_an_item_takes_is_learnt_from_a_run() -> None:
    """Of 1.9 s tasks took 1.8; the rest goes to 1,000 items and 100 batches as the cost has them, here one to nine."""
    load, cost = fitted(SEEN, EngineCost(1e-6, 90e-6, 0.0, math.inf, 0.0))
    assert (load.coordinator, load.worker, load.nbytes) == pytest.approx((0.0018 + 1e-5, 0.002, 0.0))
    assert (cost.item, cost.batch) == pytest.approx((1e-5, 90e-5))


def test_of_a_run_without_workers_the_usual_cost_is_taken() -> None:
    inline = StreamStats(2.0, 0, 1000, 0, 5000, None, 1.0, SEEN.parts)
    usual = EngineCost(1e-4, 0.01, 0.0, math.inf, 0.0)
    load, cost = fitted(inline, usual)
    assert (load.coordinator, load.worker, load.nbytes) == pytest.approx((0.0019, 0.001, 5.0))
    assert cost == usual


def test_what_the_tasks_do_not_take_is_moving() -> None:
    moving = replace(SEEN, busy=5.0).largest
    assert moving.kind == "moving"
    assert moving.seconds == pytest.approx(3.2)
    assert replace(SEEN, busy=3.2).largest.kind == "source"
    assert SEEN.largest == CoordinatorPart("source", "rows", 1.5)


def test_there_is_advice_for_each_part() -> None:
    told = {kind: advice(kind) for kind in get_args(PartKind)}
    assert len(set(told.values())) == 5
    assert "`.iter_partitions`" in told["source"]
    assert "combine=" in told["fold"]
