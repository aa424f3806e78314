"""Results that are taken apart: partitions, and one item that gives many."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator

import daglite
from daglite import task
from daglite.options import Runtime
from tests.tasks import count


@task
def rows(start: int, count: int) -> Iterator[int]:
    yield from range(start, start + count)


def test_partitions_come_in_order_however_large(engine: Runtime) -> None:
    sizes = [3, 0, 5000, 1, 2500]
    parts = rows.iter_partitions([{"start": 10_000 * i, "count": n} for i, n in enumerate(sizes)])
    wanted = [10_000 * i + x for i, n in enumerate(sizes) for x in range(n)]
    assert parts.then(task(lambda x: x)).run(runtime=engine) == wanted


def test_one_item_may_give_many_more_than_the_window_holds(engine: Runtime) -> None:
    def many(x: int) -> Iterator[int]:
        for i in range(3000):
            yield 3000 * x + i

    plan = daglite.compile(count.iter(n=4).flat_map(task(many)), max_in_flight=8)
    with plan.stream(runtime=engine) as items:
        assert list(items) == list(range(12_000))


def test_an_early_end_in_the_middle_of_a_result_leaves_the_engine_fit(pieces: Runtime) -> None:
    def endless(x: int) -> Iterator[int]:
        i = 0
        while True:
            yield i
            i += 1

    for _ in range(2):
        plan = daglite.compile(count.iter(n=3).flat_map(task(endless)).take(2500))
        assert plan.run(runtime=pieces) == list(range(2500))
    assert count.iter(n=5).then(task(lambda x: x)).run(runtime=pieces) == list(range(5))


def test_async_generators_give_many_too(engine: Runtime) -> None:
    async def many(x: int) -> AsyncIterator[int]:
        for i in range(1500):
            yield 1500 * x + i

    assert count.iter(n=3).flat_map(task(many)).run(runtime=engine) == list(range(4500))


def test_both_streams_of_a_zip_are_pulled_and_end_together(engine: Runtime) -> None:
    closed = []

    @task
    def endless(start: int) -> Iterator[int]:
        try:
            while True:
                yield start
                start += 1
        finally:
            closed.append(start)

    same = task(lambda x: x)
    stream = endless.iter(start=0).then(same).zip(count.iter(n=300).then(same)).then(same)
    assert daglite.compile(stream, max_in_flight=16).run(runtime=engine) == [(x, x) for x in range(300)]
    assert len(closed) == 1
    assert closed[0] <= 300 + 16
