"""Programs as segments: large arguments lie in blocks that every worker maps, and what cannot lies beside."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

from daglite.exceptions import TransferError
from daglite.functions import describe
from daglite.runtime.kernel import program_bytes as install
from daglite.runtime.kernel.bound_step import BoundStep
from daglite.runtime.kernel.program_bytes import PackedSteps, load_shared_buffers, pack_steps, unpack_steps
from daglite.runtime.serialization.pickler import Codec
from daglite.runtime.transport import shared_memory as shared
from daglite.runtime.transport.shared_memory import SHARED_BYTES

SIZE = SHARED_BYTES // 8


def taking(*tables: Any) -> list[BoundStep]:
    """Steps with a table each, as an argument."""
    return [
        BoundStep(number, describe(dict, name=f"f{number}"), (("table", table),), ("x",))
        for number, table in enumerate(tables)
    ]


def arrived(packed: PackedSteps) -> list[Any]:
    """The tables, as a worker that is sent all of it has them."""
    codec = Codec("w", passes_on=False)
    steps = unpack_steps(codec, packed.segments[0], buffers_of(packed, codec))
    return [dict(step.arguments)["table"] for step in steps]


def buffers_of(packed: PackedSteps, codec: Codec) -> Iterator[Any]:
    return load_shared_buffers(codec, packed.segments, deque(os.dup(fd) for fd in packed.descriptors))


@pytest.fixture
def one_array() -> Iterator[PackedSteps]:
    packed = PackedSteps(Codec("c"), taking(np.arange(SIZE)))
    yield packed
    packed.close()


def test_a_large_argument_is_not_in_the_pickle_and_arrives(one_array: PackedSteps) -> None:
    assert len(one_array.descriptors) == 1
    assert sum(map(len, one_array.segments)) < 2000
    assert np.array_equal(arrived(one_array)[0], np.arange(SIZE))


def test_what_one_worker_writes_another_does_not_see(one_array: PackedSteps) -> None:
    first, second = arrived(one_array)[0], arrived(one_array)[0]
    first[:] = -1
    assert np.array_equal(second, np.arange(SIZE))
    assert np.array_equal(arrived(one_array)[0], np.arange(SIZE))


def test_what_a_worker_looks_at_outlives_the_blocks(one_array: PackedSteps) -> None:
    [found] = arrived(one_array)
    one_array.close()
    assert np.array_equal(found, np.arange(SIZE))


def test_descriptors_are_given_back() -> None:
    before = len(os.listdir("/proc/self/fd"))
    packed = PackedSteps(Codec("c"), taking(np.arange(SIZE), np.arange(SIZE)))
    found = arrived(packed)
    packed.close()
    del found
    assert len(os.listdir("/proc/self/fd")) == before


def test_where_no_block_can_be_made_the_bytes_lie_beside(monkeypatch: pytest.MonkeyPatch) -> None:
    def none_left() -> int:
        raise OSError("no descriptors")

    monkeypatch.setattr(shared, "new_file", none_left)
    packed = PackedSteps(Codec("c"), taking(np.arange(SIZE), "small"))
    assert (packed.descriptors, len(packed.segments)) == ([], 3)
    assert [np.array_equal(arrived(packed)[0], np.arange(SIZE)), arrived(packed)[1]] == [True, "small"]


def test_more_descriptors_than_go_with_one_message_lie_beside(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(install, "_MAX_SHARED", 2)
    packed = PackedSteps(Codec("c"), taking(*(np.full(SIZE, number) for number in range(4))))
    assert (len(packed.descriptors), len(packed.segments)) == (2, 4)
    assert [int(table[-1]) for table in arrived(packed)] == [0, 1, 2, 3]
    packed.close()


def test_an_array_in_a_type_that_needs_dill_is_shared_too() -> None:
    table = {"kind": vars(int)["real"], "array": np.arange(SIZE)}
    packed = PackedSteps(Codec("c"), taking(table))
    assert len(packed.descriptors) == 1
    assert np.array_equal(arrived(packed)[0]["array"], np.arange(SIZE))
    packed.close()


def test_a_program_that_cannot_be_packed_leaves_no_block_behind() -> None:
    before = len(os.listdir("/proc/self/fd"))
    with pytest.raises(TransferError, match=r"^argument 'table' of task 'f1' cannot be sent to a worker: "):
        PackedSteps(Codec("c"), taking(np.arange(SIZE), (np.arange(SIZE), (x for x in ""))))
    assert len(os.listdir("/proc/self/fd")) == before


def test_one_that_does_not_load_leaves_the_buffers_of_the_others_alone() -> None:
    codec = Codec("c")
    buffers: list[Any] = []
    arena = shared.Arena()
    body = pack_steps(codec, taking(np.arange(SIZE), np.full(SIZE, 7)), buffers, arena)
    with pytest.raises(TransferError, match=r"^argument 'table' of task 'f0' cannot be loaded in a worker: "):
        unpack_steps(codec, body, [])
    second: Any = dict(unpack_steps(codec, body, buffers)[1].arguments)["table"]
    assert int(second[-1]) == 7
    arena.close()


def test_without_a_list_of_buffers_all_is_in_the_pickle() -> None:
    codec = Codec("c")
    body = pack_steps(codec, taking(np.arange(SIZE)))
    assert len(body) > 8 * SIZE
    assert np.array_equal(dict(unpack_steps(codec, body)[0].arguments)["table"], np.arange(SIZE))  # type: ignore[arg-type]
