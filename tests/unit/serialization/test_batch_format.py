"""Items as cells and batches as segments: what is copied when, and what one bad item does to the others."""

from __future__ import annotations

import os
import pickle
import threading
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest
from hypothesis import given, strategies as st

from daglite.runtime.serialization.batch_format import (
    SCALARS,
    SerializedItem,
    Unloadable,
    decode_counts,
    encode_counts,
    pack_batch,
    text_of,
    unpack_batch,
)
from daglite.runtime.serialization.pickler import Codec

LARGE = 100_000


@dataclass
class LoadsBadly:
    error: BaseException

    def __setstate__(self, state: dict[str, BaseException]) -> None:
        raise state["error"]


@pytest.fixture
def here() -> Codec:
    return Codec("here")


@pytest.fixture
def there() -> Codec:
    return Codec("there")


@given(st.lists(st.lists(st.integers()) | st.dictionaries(st.text(), st.integers()), min_size=1))
def test_captured_items_do_not_change_afterwards(items: list[list[int] | dict[str, int]]) -> None:
    codec = Codec("a")
    copies = pickle.loads(pickle.dumps(items))
    cells = [codec.serialize(item) for item in items]
    for item in items:
        item.clear()
    assert codec.unpack(codec.pack(cells))[0] == copies


def test_exactly_the_plain_types_stay_as_they_are(here: Codec) -> None:
    class Whole(int):
        pass

    values: list[object] = [1, 1.5, "a", b"a", True, None]
    assert {type(value) for value in values} == SCALARS
    assert all(here.serialize(value) is value for value in values)
    others: list[object] = [Whole(1), (1,), [1], {}, bytearray(b"a"), 1j]
    assert all(isinstance(here.serialize(value), SerializedItem) for value in others)


def test_empty_batches_travel(here: Codec, there: Codec) -> None:
    assert there.unpack(here.pack([]))[0] == []
    assert there.unpack([])[0] == []


def test_large_buffers_are_copied_once_and_can_be_written_to(here: Codec, there: Codec) -> None:
    array = np.arange(LARGE)
    cell = here.serialize([array, array[:10]])
    array[0] = 99
    assert isinstance(cell, SerializedItem)
    (buffer,) = cell.buffers
    segments = here.pack([1, cell, "a"])
    assert any(segment is buffer for segment in segments)
    arrays: Any = there.unpack([memoryview(bytearray(segment)) for segment in segments])[0][1]
    whole, part = arrays
    assert whole[0] == part[0] == 0
    whole += 1
    part += 1
    assert whole.sum() == LARGE * (LARGE + 1) // 2
    restored: Any = here.deserialize(cell)
    restored[0] += 1
    again: Any = here.deserialize(cell)
    assert again[0][0] == 0
    assert here.size_of(cell) == here.total_size([cell]) >= array.nbytes


@pytest.mark.parametrize("size", [10, LARGE])
def test_bytes_of_any_size_travel(size: int, here: Codec, there: Codec) -> None:
    value = os.urandom(size)
    segments = here.pack([1, value, here.serialize([2]), value, here.serialize([value])])
    assert there.unpack([bytearray(one) for one in segments])[0] == [1, value, [2], value, [value]]
    assert any(segment is value for segment in segments) == (size == LARGE)


def test_a_large_bytearray_is_captured_when_it_is_yielded(here: Codec) -> None:
    value = bytearray(LARGE)
    cell = here.serialize([value])
    value[:] = b"x" * LARGE
    assert here.deserialize(cell) == [bytearray(LARGE)]


@pytest.mark.parametrize("kind", [ValueError, SystemExit, GeneratorExit, RecursionError, MemoryError])
@pytest.mark.parametrize("size", [10, LARGE])
def test_an_item_that_does_not_load_spoils_only_itself(kind: Any, size: int, here: Codec, there: Codec) -> None:
    bad = [LoadsBadly(kind("bad")), np.zeros(size)]
    cells = [here.serialize(each) for each in (1, bad, "a", [2], b"x" * size)]
    found = there.unpack([bytearray(one) for one in here.pack(cells)])[0]
    assert found == [1, Unloadable(f"{kind.__name__}: bad"), "a", [2], b"x" * size]
    assert here.deserialize(cells[1]) == found[1]


def test_ctrl_c_while_loading_is_not_taken_for_a_bad_item(here: Codec) -> None:
    segments = here.pack([here.serialize(LoadsBadly(KeyboardInterrupt("stop")))])
    with pytest.raises(KeyboardInterrupt, match=r"^stop$"):
        here.unpack(segments)[0]
    found: list[object] = []
    # No Ctrl-C arrives in another thread: there the item did it.
    thread = threading.Thread(target=lambda: found.extend(here.unpack(segments)[0]))
    thread.start()
    thread.join()
    assert found == [Unloadable("KeyboardInterrupt: stop")]


@pytest.mark.parametrize("marks", [[], [0, 1, 3, 255], [256, 0, 70_000]])
def test_marks_come_back_from_their_text(marks: list[int]) -> None:
    """Whatever the number of values: a chain may save after more steps than a byte can count."""
    text = encode_counts(marks)

    assert list(decode_counts(text)) == marks
    assert unpack_batch(pack_batch([text, 1], plain=True)) == ([text, 1], None)


def test_an_error_without_words_is_told_by_its_name_alone() -> None:
    assert [text_of(StopIteration()), text_of(OSError("no"))] == ["StopIteration", "OSError: no"]
