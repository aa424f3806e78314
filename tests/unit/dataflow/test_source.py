"""What a stream draws on: how it is asked, what is held of it meanwhile, and that all of it is closed."""

from __future__ import annotations

import gc
import threading
from collections.abc import Iterator

import pytest

import daglite
from daglite import task
from daglite.runtime.dataflow.source import Source, close_all
from daglite.runtime.serialization.batch_format import SerializedItem
from daglite.runtime.serialization.pickler import Codec


def test_one_that_cannot_be_closed_keeps_no_other_open() -> None:
    log: list[str] = []

    class Ending:
        def __init__(self, name: str) -> None:
            self._name = name

        def close(self) -> None:
            log.append(self._name)
            raise RuntimeError(f"in the end of {self._name}")

    with pytest.raises(RuntimeError, match="in the end of other"):
        close_all([Ending("one"), Ending("other")])
    assert log == ["one", "other"]


def test_items_are_counted_whatever_kinds_there_are_and_however_many_waited_before() -> None:
    items: list[object] = [1, 2, [3], "four", 5, b"six", 7.0, 8, [9], 10]
    source = Source(iter(items), name="items", number=0, codec=Codec("c"))
    cells: list[object] = ["waiting"]

    source.pull(4, cells, 10**9, watched=True)
    assert (source.count, len(cells), source.finished) == (4, 5, False)
    del cells[:3]
    source.pull(100, cells, 10**9, watched=True)
    assert (source.count, len(cells), source.finished) == (10, 8, True)


def test_a_generator_that_fails_has_given_what_came_before() -> None:
    def failing() -> Iterator[int]:
        yield from range(3)
        raise ValueError("no more")

    source = Source(failing(), name="failing", number=0, codec=Codec("c"))
    cells: list[object] = []

    with pytest.raises(ValueError, match="no more"):
        source.pull(10, cells, 10**9, watched=True)
    assert (source.count, cells, source.finished) == (3, [0, 1, 2], True)


def test_what_was_sent_is_not_held_while_the_source_takes_its_time() -> None:
    folded = threading.Event()
    held: list[int] = []

    @task
    def rows() -> Iterator[list[int]]:
        for number in range(64):
            yield [number] * 100
        # The helper thread sends and folds them meanwhile.
        assert folded.wait(60)
        gc.collect()
        held.append(sum(type(found) is SerializedItem for found in gc.get_objects()))
        yield []

    @task
    def length(row: list[int]) -> int:
        return len(row)

    @task
    def add(total: int, item: int) -> int:
        if total + item == 6400:
            folded.set()
        return total + item

    assert daglite.compile(rows.iter().then(length).reduce(add, initial=0)).run(workers=2) == 6400
    # The pull that goes on has the last one in its hands.
    assert held[0] <= 1
