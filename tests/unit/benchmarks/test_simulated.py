"""The simulated cluster: the real loop runs on it, and what it tells obeys simple arithmetic."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings, strategies as st

import daglite
from benchmarks.simulated import __main__ as command
from benchmarks.simulated.__main__ import DASK, RAY, once, plan_of, same, total
from benchmarks.simulated.engine import Cluster, Simulated
from daglite import task
from daglite.options import Limits
from daglite.runtime.dataflow import tree_reduce as tree_reducer
from daglite.runtime.dataflow.flow_control import FlowControl
from daglite.runtime.scheduler import build_workers as routing
from daglite.scaling import EngineCost, ItemLoad, most_workers

IDEAL = Cluster(workers=4, item=0.01, client=0.0, scheduler=1e-6, way=0.0, worker=0.0)


@settings(max_examples=30, deadline=None)
@given(
    workers=st.integers(1, 40),
    n=st.integers(0, 2000),
    item=st.sampled_from([0.0001, 0.01, 0.3]),
    life=st.sampled_from([0.0, 3.0]),
    seed=st.integers(0, 5),
)
def test_every_item_comes_once_and_in_order(workers: int, n: int, item: float, life: float, seed: int) -> None:
    """Whatever dies: the loop sends it again, and gives up only what has died three times."""
    cluster = replace(DASK, workers=workers, item=item, life=life, seed=seed)
    plan = daglite.compile(same.map(x=range(n)), helper_thread=False)
    assert plan.run(runtime=Simulated(cluster), worker_retries=100) == list(range(n))


@task
def noted(so_far: list[int], x: int) -> list[int]:
    return [*so_far, x]


def joined(one: list[int], other: list[int]) -> list[int]:
    return one + other


@settings(max_examples=40, deadline=None)
@given(
    workers=st.integers(1, 30),
    n=st.integers(0, 1500),
    batch=st.integers(1, 9),
    least=st.sampled_from([0, 300, 10**9]),
    life=st.sampled_from([0.0, 0.5, 3.0]),
    seed=st.integers(0, 5),
)
def test_parts_that_stay_with_workers_are_folded_in_order(
    workers: int, n: int, batch: int, least: int, life: float, seed: int
) -> None:
    """Lists one behind the other need their order; whoever holds a part may die, and then it is made again."""
    cluster = replace(DASK, workers=workers, item=0.02, life=life, seed=seed)
    fold = same.map(x=range(n)).reduce(noted, initial=[-1], combine=joined)
    simulated, windows = Simulated(cluster), [FlowControl(1, 1)]

    class Seen(FlowControl):
        def __init__(self, *arguments: Any, **options: Any) -> None:
            super().__init__(*arguments, **options)
            windows.append(self)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(routing, "FlowControl", Seen)
        patch.setattr(tree_reducer, "MIN_KEPT_BYTES", least)
        patch.setattr(tree_reducer, "RETURNED_BYTES", 0)
        plan = daglite.compile(fold, helper_thread=False, max_batch_size=batch)
        assert plan.run(runtime=simulated, worker_retries=100) == [-1, *range(n)]
    told = simulated.told
    if least == 10**9:
        assert told.merges == 0
    if least == 0 and n:
        assert told.roots >= 1
    # What was kept for a death is given free, and counted once; a batch that is sent anew is weighed anew.
    assert windows[-1].in_flight == 0
    assert abs(windows[-1].nbytes) <= (8 * n if told.deaths else 0)
    # A few groups, and what waits for a slow head.
    assert told.most_held <= 5 * max(32, 4 * workers) + 2 * workers


def test_only_roots_come_home() -> None:
    simulated = Simulated(replace(DASK, workers=10, item=0.05))
    fold = same.map(x=range(4000)).reduce(noted, initial=[], combine=joined)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(tree_reducer, "MIN_KEPT_BYTES", 0)
        patch.setattr(tree_reducer, "RETURNED_BYTES", 0)
        assert daglite.compile(fold, helper_thread=False, max_batch_size=1).run(runtime=simulated) == [*range(4000)]
    told = simulated.told
    # A root for four parts of each worker.
    assert told.roots == 100
    assert told.most_held < 100


def test_parts_do_not_pile_up_where_putting_them_together_takes_long(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tree_reducer, "MIN_KEPT_BYTES", 0)
    monkeypatch.setattr(tree_reducer, "RETURNED_BYTES", 0)
    simulated = Simulated(replace(DASK, workers=8, item=0.001, merge=1.0))
    fold = same.map(x=range(3000)).reduce(noted, initial=[], combine=joined)
    assert daglite.compile(fold, helper_thread=False, max_batch_size=1).run(runtime=simulated) == [*range(3000)]
    # No new batch starts while more than three groups of 32 wait, or more than 32 parts for their turn.
    assert simulated.told.most_held < 5 * 32


def test_workers_that_cost_nothing_are_all_used() -> None:
    told = once(IDEAL, 4000).told
    assert 10.0 <= told.seconds < 12.0
    assert told.used(IDEAL) > 0.85
    assert told.busy == pytest.approx(40.0)


def test_a_second_of_waiting_takes_no_second() -> None:
    slow = replace(IDEAL, item=100.0)
    assert once(slow, 40).told.seconds == pytest.approx(1000.0, rel=0.01)


def test_an_engine_that_is_too_narrow_bounds_the_chunks_a_second() -> None:
    narrow = replace(IDEAL, workers=50, item=0.1, scheduler=0.02)
    told = once(narrow, 1000).told
    assert told.work_items / told.seconds <= 1 / 0.02 * 1.01
    # It is answered with larger batches, as far as the window lets them.
    assert 1000 / told.work_items > 5


def test_more_room_makes_larger_batches_where_many_workers_have_little_to_do() -> None:
    many = replace(DASK, workers=300, item=0.0005)
    narrow, roomy = once(many, 300_000).told, once(many, 300_000, roomy=4 * 300 * 1700).told
    assert 300_000 / roomy.work_items > 300_000 / narrow.work_items
    assert narrow.most_items <= 512 * 300


def test_deaths_are_counted_and_cost_time() -> None:
    mortal = replace(IDEAL, life=2.0, restart=1.0)
    simulated = Simulated(mortal)
    assert plan_of(4000).run(runtime=simulated, worker_retries=100) == 4000 * 3999 // 2
    assert simulated.told.deaths > 5
    assert simulated.told.seconds > once(IDEAL, 4000).told.seconds


def test_the_wait_for_the_only_worker_is_skipped_as_well() -> None:
    """Nothing is under way then, and the loop looks again and again."""
    lonely = Simulated(replace(IDEAL, workers=1, life=0.5, restart=1000.0))
    assert plan_of(400).run(runtime=lonely, worker_retries=100) == 400 * 399 // 2
    assert lonely.told.deaths >= 1
    assert lonely.told.seconds > 1000 * lonely.told.deaths


def test_stragglers_take_longer() -> None:
    assert once(replace(IDEAL, stragglers=0.05), 4000).told.seconds > 1.5 * once(IDEAL, 4000).told.seconds


def test_workers_are_busy_up_to_the_number_that_the_model_says() -> None:
    """Each item is a chunk, and costs the coordinator a tenth of what it takes a worker: that is enough for ten."""
    limits = Limits(max_batch_size=1)
    most = most_workers(ItemLoad(0.0, 0.2), EngineCost(0.0, 0.02, 0.0, math.inf, 0.05), limits)
    assert most == 10
    plan = daglite.compile(same.map(x=range(2000)).reduce(total, initial=0), helper_thread=False, max_batch_size=1)
    used = []
    for workers in (most // 2, most, 2 * most, 4 * most):
        simulated = Simulated(replace(IDEAL, workers=workers, item=0.2, client=0.02))
        plan.run(runtime=simulated)
        used.append(simulated.told.used(simulated.cluster))
    assert used[0] > 0.9
    assert used[1] > 0.8
    assert used[2:] == pytest.approx([0.5, 0.25], rel=0.15)


def test_the_command_compares_simulated_workers_with_the_model(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    asked: list[int] = []

    def busy(cluster: Cluster) -> float:
        asked.append(cluster.workers)
        return 0.5

    monkeypatch.setattr(command, "busy", busy)
    monkeypatch.setattr("sys.argv", ["simulated", "--knee"])
    command.main()
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 2 + 2 * 3
    assert lines[3] == "| Dask | 1 ms | 182 | 50% | 50% | 50% | 50% |"
    assert asked[4:8] == [91, 182, 364, 728]


def test_the_command_prints_a_row_for_each_cluster(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(command, "WORKERS", (10,))
    monkeypatch.setattr(command, "ITEMS", (0.1,))
    monkeypatch.setattr("sys.argv", ["simulated"])
    command.main()
    lines = capsys.readouterr().out.splitlines()
    assert [line.split("|")[1].strip() for line in lines] == ["engine", "---", "Dask", "Ray"]
    assert RAY.rate > DASK.rate
