"""Large results come back in blocks that are lent: they are what was returned, and the program's own."""

from __future__ import annotations

import os
import pickle
import signal
import types
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from daglite import compile, task
from daglite.options import StartMethod
from daglite.runtime import Processes
from daglite.runtime.transport import result_buffers as loans
from daglite.runtime.transport.shared_memory import SHARED_BYTES
from tests.faults.scripts import children_of

Array = npt.NDArray[np.float64]
SIZE = SHARED_BYTES // 8 + 1
METHODS: list[StartMethod] = ["fork", "forkserver", "spawn"]


@task
def count(n: int) -> Iterator[int]:
    yield from range(n)


@task
def full(x: int) -> Array:
    return np.full(SIZE, float(x))


def whole(arrays: list[Array]) -> list[float]:
    """The value of each, which must be the same from end to end."""
    assert all(np.all(array == array[0]) for array in arrays)
    return [float(array[0]) for array in arrays]


@pytest.mark.parametrize("method", METHODS)
def test_results_are_what_they_were_and_may_be_written_to(method: StartMethod, nothing_left: None) -> None:
    buffer = np.empty(SIZE)

    def refilled(x: int) -> Array:
        buffer[:] = x
        return buffer

    found = count.iter(n=40).then(task(refilled)).run(workers=2, start_method=method)
    assert whole(found) == list(range(40))
    for array in found:
        array[:] = -1
    assert whole(found) == [-1] * 40
    found.clear()


def test_a_thousand_results_may_be_kept(nothing_left: None) -> None:
    found = count.iter(n=1000).then(full).run(workers=2)
    assert whole(found) == list(range(1000))
    # No descriptor and no mapping is held for them: they are memory like any other.
    assert "memfd" not in Path("/proc/self/maps").read_text()
    assert not [one for one in os.listdir("/proc/self/fd") if "memfd" in linked(one)]
    found.clear()


def linked(descriptor: str) -> str:
    try:
        return os.readlink(f"/proc/self/fd/{descriptor}")
    except OSError:
        return ""


def test_a_consumer_may_keep_some_and_write_to_others(nothing_left: None) -> None:
    kept: list[Array] = []
    with compile(count.iter(n=60).then(full)).stream(workers=2) as items:
        for index, array in enumerate(items):
            assert whole([array]) == [index]
            if index % 7 == 0:
                kept.append(array)
            else:
                array[:] = -1
    assert whole(kept) == list(range(0, 60, 7))


def test_a_worker_that_dies_while_its_blocks_are_in_use_costs_no_result(tmp_path: Path, nothing_left: None) -> None:
    def fragile(x: int, marks: str) -> Array:
        array = np.full(SIZE, float(x))
        mark = Path(marks) / str(x)
        if x % 5 == 4 and not mark.exists():
            mark.touch()
            os.kill(os.getpid(), signal.SIGKILL)
        return array

    found = count.iter(n=40).then(task(fragile), marks=str(tmp_path)).run(workers=2)
    assert whole(found) == list(range(40))


def test_a_result_may_have_more_arrays_than_there_are_blocks(nothing_left: None) -> None:
    def several(x: int) -> list[Array]:
        return [np.full(SIZE, float(x * 100 + place)) for place in range(60)]

    found = count.iter(n=8).then(task(several)).run(workers=2)
    assert [whole(arrays) for arrays in found] == [[x * 100 + place for place in range(60)] for x in range(8)]


@pytest.mark.parametrize("megabytes", [1, 64])
def test_small_and_very_large_results_take_turns(megabytes: int, nothing_left: None) -> None:
    def sized(x: int, megabytes: int) -> Array:
        return np.full(megabytes * 125_000 if x % 3 else SIZE, float(x))

    def ends(total: list[float], array: Array) -> list[float]:
        assert array[0] == array[-1]
        return [*total, float(array[0])]

    n = 36 if megabytes == 1 else 9
    stream = count.iter(n=n).then(task(sized), megabytes=megabytes)
    assert stream.reduce(task(ends), initial=list[float]()).run(workers=2) == list(range(n))


def test_results_that_are_no_simple_arrays_arrive(nothing_left: None) -> None:
    """Some have one buffer, some none that can be shared; what they are does not depend on the way they take."""

    def odd(x: int) -> tuple[Any, ...]:
        grid = np.arange(4 * SIZE, dtype=np.float64).reshape(4, SIZE) + x
        still = np.full(SIZE, float(x))
        still.flags.writeable = False
        raw = bytes([x]) * SHARED_BYTES
        return grid[:, ::2], grid.T, grid[1:3], still, raw, bytearray(raw), pickle.PickleBuffer(raw)

    for x, found in enumerate(count.iter(n=12).then(task(odd)).run(workers=2)):
        strided, turned, part, still, raw, changeable, buffer = found
        grid = np.arange(4 * SIZE, dtype=np.float64).reshape(4, SIZE) + x
        assert (strided == grid[:, ::2]).all()
        assert (turned == grid.T).all()
        assert turned.flags.f_contiguous
        assert (part == grid[1:3]).all()
        assert (still == x).all()
        assert not still.flags.writeable
        part[:] = turned[:] = 0
        assert (type(raw), type(changeable)) == (bytes, bytearray)
        assert raw == changeable == bytes(buffer) == bytes([x]) * SHARED_BYTES


def test_a_program_may_fork_while_it_has_results(nothing_left: None) -> None:
    """Both have them to themselves, and the workers go on answering the program."""
    kept: list[Array] = []
    with compile(count.iter(n=40).then(full)).stream(workers=2, start_method="fork") as items:
        for index, array in enumerate(items):
            kept.append(array)
            if index % 10 == 5:
                child = os.fork()
                if child == 0:
                    array[:] = -1
                    os._exit(0 if whole(kept[:-1]) == list(range(index)) else 1)
                assert os.waitpid(child, 0)[1] == 0
    assert whole(kept) == list(range(40))


def test_a_copy_that_a_task_forks_has_no_blocks(nothing_left: None) -> None:
    def forking(x: int) -> Array:
        if x % 4 == 3:
            child = os.fork()
            if child == 0:
                os._exit(len([one for one in os.listdir("/proc/self/fd") if "memfd" in linked(one)]))
            assert os.waitpid(child, 0)[1] == 0
        return np.full(SIZE, float(x))

    assert whole(count.iter(n=24).then(task(forking)).run(workers=2)) == list(range(24))


def test_kept_workers_begin_each_run_without_loans(nothing_left: None) -> None:
    def mapped(x: int) -> tuple[Array, int]:
        return np.full(SIZE, float(x)), Path("/proc/self/maps").read_text().count("memfd")

    with Processes(workers=2) as pool:
        before = sorted(children_of(os.getpid()))
        for _ in range(3):
            found = count.iter(n=20).then(task(mapped)).run(runtime=pool)
            assert whole([array for array, _ in found]) == list(range(20))
            assert found[0][1] == 0
            # Two for each worker: one that is filled, one that is on its way.
            assert 1 <= max(blocks for _, blocks in found) <= 2
        # Nobody has died of it.
        assert sorted(children_of(os.getpid())) == before


def test_results_that_only_dill_can_pickle_have_blocks_of_their_own(nothing_left: None) -> None:
    """A first try by C pickle has filled one, for nothing."""

    def odd(x: int) -> list[tuple[Array, Any]]:
        pairs = [x * 10 + place for place in range(3)]
        return [(np.full(SIZE, float(number)), types.MappingProxyType({"number": number})) for number in pairs]

    for x, found in enumerate(count.iter(n=30).then(task(odd)).run(workers=1)):
        assert whole([array for array, _ in found]) == [x * 10, x * 10 + 1, x * 10 + 2]


def refuse(*_: object) -> int:
    raise OSError("no memory files here")


def test_a_coordinator_without_memory_files_lends_nothing(monkeypatch: pytest.MonkeyPatch, nothing_left: None) -> None:
    with Processes(workers=2, start_method="fork") as pool:
        monkeypatch.setattr(loans, "new_file", refuse)
        assert whole(count.iter(n=20).then(full).run(runtime=pool)) == list(range(20))


def test_a_worker_without_descriptors_asks_for_nothing(nothing_left: None) -> None:
    def crowded(x: int) -> Array:
        while True:
            try:
                taken.append(os.open("/dev/null", os.O_RDONLY))
            except OSError:
                break
        return np.full(SIZE, float(x))

    taken: list[int] = []
    found = count.iter(n=12).then(task(crowded)).run(workers=1, worker_retries=0)
    assert whole(found) == list(range(12))
