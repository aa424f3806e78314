"""What travels: closures, classes of `__main__`, buffers, modules that are missing on the other side."""

from __future__ import annotations

import importlib
import subprocess
import sys
import threading
import types
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy
import pytest

import daglite
from daglite import task
from daglite.exceptions import TransferError, failure_of
from daglite.options import Runtime
from tests.paths import ROOT
from tests.tasks import count


def test_closures_and_lambdas_travel(engine: Runtime) -> None:
    factor = 7

    def outer(x: int) -> int:
        return inner(x) + 1

    def inner(x: int) -> int:
        return x * factor

    assert count.iter(n=50).then(task(outer)).then(task(lambda x: -x)).run(runtime=engine) == [
        -(7 * i + 1) for i in range(50)
    ]


def test_classes_of_the_users_own_come_back_as_themselves(engine: Runtime) -> None:
    class Point:
        def __init__(self, x: int) -> None:
            self.x = x

    def move(point: Point) -> Point:
        return Point(point.x + 1)

    @task
    def points(n: int) -> Iterator[Point]:
        for x in range(n):
            yield Point(x)

    found = points.iter(n=40).then(task(move)).run(runtime=engine)
    assert [type(point) for point in found] == [Point] * 40
    assert [point.x for point in found] == list(range(1, 41))


def test_classes_made_by_tasks_come_back_and_go_to_other_workers(engine: Runtime) -> None:
    def make(x: int) -> object:
        class Made:
            value = x

        return Made()

    values = count.iter(n=30).then(task(make)).run(runtime=engine)
    looked = task(lambda made: made.value).map(made=values).run(runtime=engine)
    assert looked == list(range(30))


def test_an_item_arrives_as_it_was_when_it_was_yielded(apart: Runtime) -> None:
    @task
    def reused(n: int) -> Iterator[list[int]]:
        buffer = [0]
        for i in range(n):
            buffer[0] = i
            yield buffer

    assert reused.iter(n=100).then(task(lambda box: box[0])).run(runtime=apart) == list(range(100))


def test_large_arrays_cross_both_ways_and_may_be_written_to(engine: Runtime) -> None:
    """Items of 8 MB, results of 8 MB."""

    @task
    def arrays(n: int) -> Iterator[numpy.ndarray]:
        for i in range(n):
            yield numpy.full(1_000_000, float(i))

    def change(array: numpy.ndarray) -> numpy.ndarray:
        array[0] = -1.0
        return array

    found = 0
    with daglite.compile(arrays.iter(n=6).then(task(change))).stream(runtime=engine) as items:
        for i, array in enumerate(items):
            array[1] += 1
            assert (array[0], array[1], array[-1], array.nbytes) == (-1.0, i + 1, i, 8_000_000)
            found += 1
    assert found == 6


def test_large_fixed_arguments_go_to_each_worker_once(engine: Runtime) -> None:
    table = bytes(3_000_000)
    sized = task(lambda x, table: x + len(table), name="sized")
    assert count.iter(n=40).then(sized, table=table).run(runtime=engine) == [i + 3_000_000 for i in range(40)]


def test_what_cannot_be_pickled_is_named(apart: Runtime) -> None:
    lock = threading.Lock()
    with pytest.raises(TransferError, match="argument 'lock' of task 'hold' cannot be sent to a worker"):
        count.iter(n=3).then(task(lambda x, lock: x, name="hold"), lock=lock).run(runtime=apart)
    with pytest.raises(TransferError, match="result of task 'opened' cannot be sent back") as caught:
        count.iter(n=3).then(task(lambda x: open("/dev/null") if x == 1 else x, name="opened")).run(runtime=apart)  # noqa: SIM115
    facts = failure_of(caught.value)
    assert facts is not None
    assert facts.index == 1


SCRIPT = """
import sys
from collections.abc import Iterator
from dataclasses import dataclass

import daglite.runtime
from daglite import task

@dataclass
class Point:
    x: int

@task
def points(n: int) -> Iterator[Point]:
    for i in range(n):
        yield Point(i)

@task
def moved(point: Point) -> Point:
    return Point(point.x + 1)

# No `if __name__ == "__main__"` here.
found = points.iter(n=20).then(moved).run(runtime=eval(sys.argv[1]))
assert found == [Point(i + 1) for i in range(20)], found
print("good", flush=True)
"""


def test_scripts_need_no_guard_and_their_classes_travel(engine_name: str, tmp_path: Path) -> None:
    clusters = {"dask": "daglite.runtime.Dask(workers=1)", "ray": "daglite.runtime.Ray(workers=1)"}
    made = clusters.get(engine_name, repr(engine_name))
    script = tmp_path / "script.py"
    script.write_text(SCRIPT)
    done = subprocess.run([sys.executable, str(script), made], capture_output=True, text=True, timeout=60, cwd=ROOT)
    assert done.stdout == "good\n", done.stderr


def test_a_module_that_is_missing_on_the_workers_is_named(
    cluster: Runtime, make_module: Callable[[str, str], types.ModuleType]
) -> None:
    """The workers find daglite and its tests, and nothing else of ours."""
    module = make_module("only_at_home", "def double(x: int) -> int:\n    return 2 * x\n")
    with pytest.raises(TransferError, match=r"task 'double' cannot be loaded in a worker: .*No module named 'only_at_"):
        count.iter(n=3).then(task(module.double)).run(runtime=cluster)


@pytest.fixture
def make_module(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str, str], types.ModuleType]:
    """A module that only this process can import."""

    def make(name: str, text: str) -> types.ModuleType:
        folder = tmp_path / "home"
        folder.mkdir()
        (folder / f"{name}.py").write_text(text)
        monkeypatch.syspath_prepend(str(folder))
        monkeypatch.delitem(sys.modules, name, raising=False)
        return importlib.import_module(name)

    return make
