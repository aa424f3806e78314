"""Large arguments of tasks: workers look at one copy of them, and nothing of them is left when the run is over."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from daglite import task
from daglite.options import StartMethod
from daglite.runtime import Processes
from daglite.runtime.transport.shared_memory import SHARED_BYTES

Array = npt.NDArray[np.float64]
SIZE = SHARED_BYTES // 8 + 1
METHODS: list[StartMethod] = ["fork", "forkserver", "spawn"]
MIB = 1024 * 1024


@task
def count(n: int) -> Iterator[int]:
    yield from range(n)


def in_a_memory_file(array: Array) -> bool:
    """Whether the memory of an array is that of a nameless file, which others may look at."""
    at = array.__array_interface__["data"][0]
    for line in Path("/proc/self/maps").read_text().splitlines():
        start, _, end = line.partition(" ")[0].partition("-")
        if int(start, 16) <= at < int(end, 16):
            return "memfd:" in line
    return False


@task
def spoiled(x: int, table: Array) -> tuple[bool, float]:
    """Whether it is shared, and what is in it; then it is of no use to any other item of this worker."""
    found = in_a_memory_file(table), float(table[x])
    table[:] += 100
    return found


@pytest.mark.parametrize("method", METHODS)
def test_workers_look_at_one_copy_and_write_to_their_own(method: StartMethod, nothing_left: None) -> None:
    table = np.zeros(SIZE)
    found = count.iter(n=6).then(spoiled, table=table).run(workers=2, start_method=method, max_items_per_worker=1)
    assert found == [(True, 0.0)] * 6
    assert not table.any()


def test_closures_and_single_calls_share_their_arrays_too(nothing_left: None) -> None:
    table = np.arange(SIZE, dtype=np.float64)
    closed_over = task(lambda x: (in_a_memory_file(table), float(table[x])))
    assert count.iter(n=3).then(closed_over).run(workers=2) == [(True, 0.0), (True, 1.0), (True, 2.0)]
    assert spoiled(x=5, table=table).run(workers=2) == (True, 5.0)


def test_kept_workers_get_the_arrays_of_each_run(nothing_left: None) -> None:
    with Processes(workers=2) as pool:
        for value in range(5):
            found = count.iter(n=8).then(first_of, table=np.full(SIZE, float(value))).run(runtime=pool)
            assert found == [float(value)] * 8


@task
def first_of(x: int, table: Array) -> float:
    return float(table[0])


def test_many_calls_with_large_arguments_leave_nothing(nothing_left: None) -> None:
    """Each call is a program of its own: its block goes when the call is answered, not with the run."""
    made = [first_of(x=0, table=np.full(SIZE, float(number))) for number in range(60)]
    blocks = list[int]()

    @task(on="coordinator")
    def looked(*values: Any) -> list[float]:
        blocks.append(sum(map(is_memory, Path("/proc/self/fd").iterdir())))
        return [*values]

    assert looked(*made).run(workers=2) == [float(number) for number in range(60)]
    assert blocks[0] < 20


def is_memory(fd: Path) -> bool:
    """Whether a descriptor is that of a nameless file."""
    try:
        return "memfd:" in str(fd.readlink())
    except OSError:
        return False


def resident() -> int:
    """The memory of this process in bytes."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * 4096


@pytest.mark.parametrize("how", ["argument", "global"])
def test_what_was_sent_to_workers_is_given_back_at_the_end_of_the_run(how: str) -> None:
    """At once, and not when the garbage collector finds the run."""
    scope: dict[str, Any] = {"__name__": "__main__", "big": b"x" * 96 * MIB}
    exec("def length(x):\n    return x + len(big)", scope)
    by_global = count.iter(n=2).then(task(scope["length"]))
    by_argument = count.iter(n=2).then(task(lambda x, big: x + len(big)), big=scope["big"])
    chain = by_global if how == "global" else by_argument
    gc.collect()
    before = resident()
    gc.disable()
    try:
        assert chain.run(workers=1) == [96 * MIB, 96 * MIB + 1]
        assert resident() - before < 48 * MIB
    finally:
        gc.enable()


def test_a_worker_keeps_no_second_copy_of_what_it_was_told() -> None:
    """A function of a script brings its globals; once it is built, the bytes that it was built of are gone."""
    scope: dict[str, Any] = {"__name__": "__main__", "big": b"x" * 96 * MIB, "resident": resident}
    exec("def used(x):\n    assert big\n    return resident()", scope)
    with Processes(workers=1, start_method="spawn") as pool:
        [bare] = count.iter(n=1).then(task(lambda x: resident())).run(runtime=pool)
        [used] = count.iter(n=1).then(task(scope["used"])).run(runtime=pool)
    assert 90 * MIB < used - bare < 144 * MIB
