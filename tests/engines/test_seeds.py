"""Seeds of items: the same whatever carries the item to its task."""

from __future__ import annotations

import asyncio
import random
import threading
from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest

from daglite import Retry, compile, item_seed, task
from daglite.exceptions import ExecutionError, ParameterError
from daglite.options import RuntimeName
from tests.engines.local.choosing import at
from tests.samples import double, fold, odd, rows

pytestmark = pytest.mark.timeout(60)


@task
def draw(x: Any) -> tuple[int, int]:
    return x, item_seed()


@task
async def draw_later(x: Any) -> tuple[int, int]:
    await asyncio.sleep(0)
    return x, item_seed()


@task
def drawing(n: int) -> Iterator[int]:
    dice = random.Random(item_seed())
    yield from (dice.randrange(1000) for _ in range(n))


@task
async def drawing_later(n: int) -> AsyncIterator[int]:
    dice = random.Random(item_seed())
    for _ in range(n):
        yield dice.randrange(1000)


@pytest.mark.parametrize("optimize", [True, False])
@pytest.mark.parametrize("batch", [1, 7])
@pytest.mark.parametrize("given", [draw, draw_later], ids=["plain", "async"])
def test_a_seed_depends_on_run_step_and_item_alone(
    runtime: RuntimeName, optimize: bool, batch: int, given: Any
) -> None:
    stream = rows.iter(n=20).filter(odd).then(double).then(given)
    plan = compile(stream, optimize=optimize, max_batch_size=batch)
    found = plan.run(runtime=runtime, workers=2, seed=5)
    assert found == compile(stream).run(runtime="inline", seed=5)
    assert len({seed for _, seed in found}) == 10
    assert not {seed for _, seed in found} & {seed for _, seed in plan.run(runtime="inline")}


def test_two_steps_with_one_task_draw_apart(runtime: RuntimeName) -> None:
    twice = task(lambda x: (*x, item_seed()), name="twice")
    (first, second, third), *_ = rows.iter(n=1).then(draw).then(twice).run(runtime=runtime)
    assert first == 0
    assert second != third
    sides = task(lambda a, b: (a, b), name="sides")
    one, other = sides(draw.map(x=[1]), draw.map(x=[1])).run(runtime=runtime)
    assert one != other


@pytest.mark.parametrize("optimize", [True, False])
@pytest.mark.parametrize("given", [drawing, drawing_later], ids=["plain", "async"])
def test_a_generator_has_one_seed(runtime: RuntimeName, optimize: bool, given: Any) -> None:
    wanted = given(n=5).run(runtime="inline")
    assert given(n=5).run(runtime=runtime) == wanted
    assert compile(given.iter(n=5), optimize=optimize).run(runtime=runtime) == wanted
    # With a task on its items the generator is the same step.
    assert compile(given.iter(n=5).then(task(lambda x: x)), optimize=optimize).run(runtime=runtime) == wanted


def test_single_calls_and_joins_have_one_too(runtime: RuntimeName) -> None:
    assert draw(x=1).run(runtime=runtime) == draw(x=1).run(runtime="inline")
    assert rows.iter(n=3).join(draw).run(runtime=runtime) == rows.iter(n=3).join(draw).run(runtime="inline")


def test_attempts_draw_the_same(runtime: RuntimeName) -> None:
    seen: list[int] = []

    def shaky(x: int) -> bool:
        seen.append(item_seed())
        if len(seen) < 3:
            raise ConnectionError
        return len(set(seen)) == 1

    hopeful = task(shaky, retries=Retry(first_delay=0))
    assert rows.iter(n=1).then(hopeful).run(runtime=runtime, workers=1) == [True]


@pytest.mark.parametrize("moves", [1, 4])
@pytest.mark.parametrize("answer", ["threads", "processes"])
def test_a_stream_that_moves_goes_on_with_its_seeds(moves: int, answer: Any) -> None:
    plan = compile(rows.iter(n=9).then(draw))
    assert plan.run(runtime=at(moves, answer, workers=2)) == plan.run(runtime="inline")


def test_a_fold_has_none(runtime: RuntimeName) -> None:
    unlucky = task(lambda acc, item: acc + item_seed(), name="unlucky")
    for stream in (rows.iter(n=3), rows.iter(n=3).then(double)):
        with pytest.raises(
            ExecutionError, match=r"^`item_seed` needs a running task: .* a fold has no item of its own"
        ):
            stream.reduce(unlucky, initial=0).run(runtime=runtime)
    assert rows.iter(n=2).reduce(fold, initial=0).run(runtime=runtime) == 1


def test_there_is_none_outside_a_task(runtime: RuntimeName) -> None:
    with pytest.raises(ExecutionError, match="call it inside one, on the thread that runs it"):
        item_seed()

    def elsewhere(x: int) -> str:
        said: list[str] = []

        def ask() -> None:
            try:
                said.append(str(item_seed()))
            except ExecutionError as error:
                said.append(type(error).__name__)

        thread = threading.Thread(target=ask)
        thread.start()
        thread.join()
        return said[0]

    assert rows.iter(n=1).then(task(elsewhere)).run(runtime=runtime) == ["ExecutionError"]


def test_a_run_inside_a_task_has_seeds_of_its_own() -> None:
    def nested(x: int) -> object:
        mine = item_seed()
        return mine == item_seed() != draw(x=1).run(runtime="inline")[1]

    assert rows.iter(n=2).then(task(nested)).run(runtime="inline") == [True, True]


def test_in_a_running_event_loop_a_task_finds_its_item() -> None:
    plan = compile(rows.iter(n=4).then(draw_later))

    async def inside() -> object:
        # The task runs on a thread of its own, as this one has a loop already.
        return plan.run(runtime="inline")

    assert asyncio.run(inside()) == plan.run(runtime="inline")


@pytest.mark.parametrize("seed", [1.5, "x", True, None])
def test_a_seed_is_a_whole_number(seed: Any) -> None:
    with pytest.raises(ParameterError, match=r"^`seed` must be a whole number; got"):
        draw(x=1).run(runtime="inline", seed=seed)
