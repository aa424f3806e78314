"""Copies of large items and results in this process are what they were, and may be written to."""

from __future__ import annotations

import pickle
from collections import Counter, OrderedDict, deque, namedtuple
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from daglite import task
from daglite.runtime.local.item_copies import small_copy
from tests.engines.local.choosing import at

Array = NDArray[np.float64]
LENGTH = 100_000


@task
def refilled(n: int) -> Iterator[Array]:
    array = np.empty(LENGTH)
    for number in range(n):
        array[:] = number
        yield array


@pytest.mark.parametrize("moves", [None, 3])
def test_arrays_are_what_they_were_and_may_be_written_to(moves: int | None) -> None:
    def spoiled(array: Array) -> Array:
        array += 1
        return array

    kept: Any = refilled.iter(n=12).then(task(spoiled)).run(runtime=at(moves))
    for number, array in enumerate(kept):
        assert (array == number + 1).all()
        array[0] = 5


PLAIN: list[Any] = [1, 2.5, "a", b"b", True, None]
Pair = namedtuple("Pair", "a b")


class Listed(list[int]):
    """A list of somebody's own."""


@pytest.mark.parametrize(
    "value",
    [(), tuple(PLAIN), [], PLAIN, {*PLAIN}, frozenset(PLAIN), {}, {one: one for one in PLAIN}, tuple(range(1024))],
)
def test_small_copies_are_what_pickling_gives(value: Any) -> None:
    copied = small_copy(value)
    assert copied == pickle.loads(pickle.dumps(value))
    assert type(copied) is type(value)
    assert (copied is value) is isinstance(value, tuple | frozenset)


@pytest.mark.parametrize(
    "value",
    [
        ([1],),
        [(1,)],
        {"a": [1]},
        {(1,): 1},
        Pair(1, 2),
        Listed([1]),
        Counter("a"),
        OrderedDict(a=1),
        deque([1]),
        bytearray(b"a"),
        list(range(1025)),
        dict.fromkeys(range(1025)),
        object(),
    ],
)
def test_what_may_hold_more_is_pickled(value: Any) -> None:
    assert small_copy(value) is None


@pytest.mark.parametrize("moves", [None, 3])
@pytest.mark.parametrize(
    ("buffer", "fill"),
    [
        ([0], lambda buffer, number: buffer.__setitem__(0, number)),
        ({}, lambda buffer, number: buffer.__setitem__("n", number)),
        ({0}, lambda buffer, number: (buffer.clear(), buffer.add(number))),
        ([[0]], lambda buffer, number: buffer[0].__setitem__(0, number)),
    ],
    ids=["list", "dict", "set", "nested"],
)
def test_containers_are_what_they_were(moves: int | None, buffer: Any, fill: Callable[[Any, int], object]) -> None:
    """The generator fills one, and the task changes it and gives one of its own again and again."""
    kept = type(buffer)(buffer)

    @task
    def filled(n: int) -> Iterator[Any]:
        for number in range(n):
            fill(buffer, number)
            yield buffer

    def again(item: Any) -> Any:
        kept.clear()
        kept.update(item) if isinstance(kept, dict | set) else kept.extend(item)
        item.clear()
        return kept

    runtime = at(moves)
    assert filled.iter(n=12).then(task(again)).run(runtime=runtime) == filled.iter(n=12).run(runtime="processes")
