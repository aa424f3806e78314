"""Many legs in a row on every runtime, and the moments at which nothing is on its way."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from daglite import task
from daglite.options import RuntimeName
from tests.tasks import count

PAIRS = 300
HERE: list[RuntimeName] = ["inline", "auto"]


@task
def second(pair: tuple[int, Any]) -> Any:
    return pair[1]


@task
def same(item: Any) -> Any:
    return item


@task
def alone(item: Any) -> list[Any]:
    return [item]


@task
def given(item: Any) -> Iterator[Any]:
    yield item


@task
def true(_: object) -> bool:
    return True


def repeated(stream: Any, step: Callable[[Any], Any], times: int = PAIRS) -> Any:
    for _ in range(times):
        stream = step(stream)
    return stream


@pytest.mark.parametrize("runtime", ["inline", "threads", "processes", "auto"])
def test_hundreds_of_legs_are_no_calls_inside_calls(runtime: RuntimeName) -> None:
    stream = repeated(count.iter(n=2), lambda s: s.enumerate().then(second))
    assert stream.run(runtime=runtime) == [0, 1]


@pytest.mark.parametrize("runtime", ["inline", "threads", "processes", "auto"])
@pytest.mark.parametrize("behind", [False, True])
def test_hundreds_of_operations_are_no_calls_inside_calls(runtime: RuntimeName, behind: bool) -> None:
    """In front of the first tasks, or between two."""
    stream = count.iter(n=4).then(same) if behind else count.iter(n=4)
    stream = repeated(stream, lambda s: s.take_while(true).skip(0))
    assert stream.then(same).run(runtime=runtime) == [0, 1, 2, 3]


@pytest.mark.parametrize("runtime", HERE)
@pytest.mark.parametrize(
    "step",
    [
        lambda s: s.then(alone).unbatch(),
        lambda s: s.flat_map(given).skip(0),
        lambda s: s.batch(2).then(same).unbatch(),
        lambda s: s.take(5).then(same),
        lambda s: s.then(same).take_while(true),
    ],
    ids=["unbatch", "flat_map", "batch", "take", "take_while"],
)
def test_many_legs_of_every_kind_do_what_few_do(runtime: RuntimeName, step: Callable[[Any], Any]) -> None:
    stream = count.iter(n=7)
    assert repeated(stream, step, 60).run(runtime=runtime) == step(stream).run(runtime="inline")


@pytest.mark.parametrize("runtime", HERE)
def test_one_item_after_the_other_goes_through_many_legs(runtime: RuntimeName) -> None:
    """Inline, no item is asked for before the one before it has come to the ending; and no more than are wanted."""
    seen: list[str] = []

    @task
    def source() -> Iterator[int]:
        try:
            for number in range(100):
                seen.append(f"asked {number}")
                yield number
        finally:
            seen.append("closed")

    @task
    def note(item: int) -> int:
        seen.append(f"came {item}")
        return item

    stream = repeated(source.iter(), lambda s: s.enumerate().then(second), 60).then(note).enumerate().take(2)
    assert stream.run(runtime=runtime) == [(0, 0), (1, 1)]
    assert seen == ["asked 0", "came 0", "asked 1", "came 1", "closed"]


def test_an_error_in_one_of_many_legs_names_its_task_and_item() -> None:
    bad = task(lambda x: 1 // (x - 3), name="bad")
    stream = repeated(count.iter(n=9), lambda s: s.enumerate().then(second), 60).skip(1).then(bad)
    stream = repeated(stream, lambda s: s.enumerate().then(second), 60)
    with pytest.raises(ZeroDivisionError, match="division") as caught:
        stream.run(runtime="inline")
    assert any("task 'bad', item 2 (3)" in note for note in caught.value.__notes__)
