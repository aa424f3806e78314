"""What a stream that begins in this process measures, and tells its choice."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any

from daglite import task
from daglite.runtime.engines.config import Auto
from daglite.runtime.engines.cost_model import Answer, PlacementOptions, PlacementPolicy, SliceStats
from tests.samples import Memory
from tests.tasks import count, double


class Noting(PlacementPolicy):
    """Stays, and notes what it is told."""

    def __init__(self) -> None:
        super().__init__(PlacementOptions(processes=2, threads=2, processors=2, start=0.01))
        self.slices: list[SliceStats] = []
        self.more: list[int | None] = []

    def observe(self, seen: SliceStats, more: int | None) -> Answer:
        super().observe(seen, more)
        self.slices.append(seen)
        self.more.append(more)
        return "stay"


def noted(pipeline: Any) -> Noting:
    choice = Noting()
    pipeline.run(runtime=Auto(2, choose=lambda _: choice))
    return choice


def test_how_many_items_are_left_is_known_of_what_has_a_length() -> None:
    weigh = task(lambda x, y=0: x, name="weigh")
    assert noted(weigh.map(x=[1, 2, 3])).more[0] == 2
    assert noted(weigh.map(x=[1, 2, 3], y=[4, 5, 6])).more[0] == 2
    assert noted(weigh.map(x=[1, 2, 3], y=[4, 5], map_mode="product")).more[0] == 5
    assert noted(count.iter(n=3).then(double)).more[0] is None


def test_only_tasks_count_as_time_of_tasks() -> None:
    """Not the source, not the fold, not a save on the way."""

    class Slow(Memory):
        def save(self, key: str, value: object) -> None:
            time.sleep(0.03)
            super().save(key, value)

    @task
    def source() -> Iterator[int]:
        for number in range(3):
            time.sleep(0.03)
            yield number

    @task
    def slowly(total: int, item: int) -> int:
        time.sleep(0.03)
        return total + item

    slices = noted(
        source.iter().then(double).save("{iteration_index}", save_store=Slow()).reduce(slowly, initial=0)
    ).slices
    assert sum(one.items for one in slices) == 3
    assert sum(one.seconds for one in slices) > 0.25
    assert sum(one.wall for one in slices) < 0.05


def test_the_time_of_all_tasks_counts_on_the_clock_and_of_the_processor() -> None:
    def nap(x: int) -> int:
        time.sleep(0.02)
        return x

    def spin(x: int) -> int:
        until = time.thread_time() + 0.02
        while time.thread_time() < until:
            pass
        return x

    slices = noted(count.iter(n=3).then(task(nap)).then(task(spin))).slices
    assert all(one.timed for one in slices)
    assert sum(one.wall for one in slices) >= 0.12
    assert 0.06 <= sum(one.cpu for one in slices) <= 0.1
    assert sum(one.pauses for one in slices) >= 3


def test_bytes_of_what_was_copied_count() -> None:
    large = task(lambda x: bytearray(100_000), name="large")
    slices = noted(count.iter(n=3).then(large)).slices
    assert sum(one.nbytes for one in slices) >= 300_000
    assert sum(one.nbytes for one in noted(count.iter(n=3).then(double)).slices) == 0
