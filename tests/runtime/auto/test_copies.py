"""Copies of large items and results in this process: in memory of their own, or where nobody looks any more."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from daglite import task
from daglite.runtime.auto.copies import Spares
from tests.runtime.auto.choosing import at

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


def test_memory_is_used_again_when_nobody_looks_at_it() -> None:
    spares = Spares()
    first = spares.put(memoryview(b"a" * 100_000))
    second = spares.put(memoryview(b"b" * 100_000))
    memory = first.obj
    part = np.frombuffer(first, dtype=np.uint8)[10:20]
    del first
    third = spares.put(memoryview(b"c" * 100_000))
    assert (bytes(part), bytes(second[:2]), bytes(third[:2])) == (b"a" * 10, b"bb", b"cc")
    del part
    other = spares.put(memoryview(b"d" * 100_001))
    fourth = spares.put(memoryview(b"e" * 100_000))
    assert len(other) == 100_001
    assert fourth.obj is not second.obj
    # The test refers to the first one itself.
    assert fourth.obj is not memory
    del memory
    assert bytes(spares.put(memoryview(b"f" * 100_000))[:1]) == b"f"
    spares.close()
    assert (bytes(second[:2]), bytes(third[:2]), bytes(fourth[:2])) == (b"bb", b"cc", b"ee")


def test_a_stream_of_arrays_needs_little_memory() -> None:
    spares = Spares()
    places = set()
    for number in range(50):
        view = spares.put(memoryview(bytes([number]) * 100_000))
        places.add(id(view.obj))
        assert view[0] == number
        del view
    assert len(places) == 1
