"""Runtimes with workers end to end: where things run, what travels, what an error says; most of it on processes."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

import daglite
from daglite import task
from daglite.exceptions import TaskFailedError, TransferError, failure_of
from daglite.options import RuntimeName, StartMethod
from tests.tasks import add, count, double

METHODS: list[StartMethod] = ["fork", "forkserver", "spawn"]


@task
def pid_of(_: int) -> int:
    return os.getpid()


@dataclass(frozen=True)
class Point:
    x: int


class OddError(Exception):
    """An exception whose constructor does not take what it stores."""

    def __init__(self, first: str, second: str) -> None:
        super().__init__(f"{first} and {second}")
        self.extra = [first, second]


@pytest.mark.parametrize("method", METHODS)
def test_items_run_in_workers_and_all_start_methods_agree(method: StartMethod) -> None:
    pids = count.iter(n=50).then(pid_of).run(workers=2, start_method=method)
    assert os.getpid() not in pids
    assert len(set(pids)) <= 2
    assert count.iter(n=500).then(double).reduce(add, initial=0).run(workers=2, start_method=method) == 249500


@pytest.mark.parametrize("method", METHODS)
def test_lambdas_closures_local_functions_and_classes_travel(method: StartMethod) -> None:
    factor = 3

    class Local:
        def __init__(self, value: int) -> None:
            self.value = value

    def wrap(x: int) -> Local:
        return Local(x * factor)

    def unwrap(one: Local) -> int:
        assert isinstance(one, Local)
        return one.value

    wrapped = count.iter(n=5).then(task(wrap)).run(workers=2, start_method=method)
    assert [type(one) for one in wrapped] == [Local] * 5
    chain = count.iter(n=5).then(task(wrap)).then(task(unwrap)).then(task(lambda x: x + 1))
    assert chain.run(workers=2, start_method=method) == [1, 4, 7, 10, 13]


def test_fused_steps_run_in_one_worker_and_the_plan_says_where() -> None:
    pair = task(lambda pid: (pid, os.getpid()), name="pair")
    plan = daglite.compile(count.iter(n=20).then(pid_of).then(pair))
    assert all(first == second != os.getpid() for first, second in plan.run(workers=2))
    assert [line.split()[2] for line in plan.explain().splitlines()[3:5]] == ["workers", "workers"]


def test_a_reused_buffer_is_captured_when_it_is_yielded() -> None:
    @task
    def reuse(n: int) -> Iterator[list[int]]:
        buffer = [0]
        for i in range(n):
            buffer[0] = i
            yield buffer

    @task
    def first(items: list[int]) -> int:
        return items[0]

    assert reuse.iter(n=10_000).then(first).run(workers=2) == list(range(10_000))
    assert reuse.iter(n=300).run(workers=2) == [[i] for i in range(300)]
    assert daglite.compile(reuse.iter(n=300), optimize=False).run(workers=2) == [[i] for i in range(300)]


def test_a_result_is_captured_before_the_next_task_changes_it(crew: RuntimeName, tmp_path: Path) -> None:
    @task
    def boxed(x: int) -> list[int]:
        return [x]

    @task
    def spoil(box: list[int]) -> int:
        box.append(99)
        return len(box)

    store = daglite.DatasetStore(tmp_path)
    saved = count.iter(n=7).then(boxed).save("box_{iteration_index}", save_store=store).then(spoil)
    assert saved.run(runtime=crew, workers=2) == [2] * 7
    assert [store.load(f"box_{i}") for i in range(7)] == [[i] for i in range(7)]


def test_the_generator_runs_on_a_worker_only_when_not_optimised() -> None:
    @task
    def whose() -> Iterator[int]:
        yield os.getpid()

    assert whose.iter().run(workers=1) == [os.getpid()]
    assert daglite.compile(whose.iter(), optimize=False).run(workers=1) != [os.getpid()]
    assert whose().run(workers=1) != [os.getpid()]


def test_independent_calls_run_side_by_side(crew: RuntimeName, tmp_path: Path) -> None:
    def meet(mine: str, other: str, folder: str) -> int:
        Path(folder, mine).touch()
        deadline = time.monotonic() + 20
        while not Path(folder, other).exists():
            assert time.monotonic() < deadline, "the other call did not run beside this one"
            time.sleep(0.001)
        return threading.get_native_id()

    waiting = task(meet)
    a = waiting(mine="a", other="b", folder=str(tmp_path))
    b = waiting(mine="b", other="a", folder=str(tmp_path))
    first, second = task(lambda a, b: (a, b), name="pair")(a=a, b=b).run(runtime=crew, workers=2)
    assert first != second


def test_async_tasks_and_async_generators_run(crew: RuntimeName) -> None:
    @task
    async def items(n: int) -> AsyncIterator[int]:
        for i in range(n):
            yield i

    @task
    async def triple(x: int) -> int:
        return x * 3

    assert items.iter(n=4).then(triple).run(runtime=crew, workers=2) == [0, 3, 6, 9]
    assert items(n=3).run(runtime=crew, workers=1) == [0, 1, 2]


def _cause(n: int) -> int:
    if n == 3:
        try:
            raise KeyError("inner")
        except KeyError as error:
            raise OddError("one", "two") from error
    return n


def test_an_error_is_raised_as_itself_with_the_facts(crew: RuntimeName) -> None:
    with pytest.raises(OddError, match="one and two") as caught:
        count.iter(n=10).then(task(_cause)).run(runtime=crew, workers=2)
    facts = failure_of(caught.value)
    assert facts is not None
    assert (facts.task, facts.step, facts.index, facts.item) == ("_cause", 1, 3, "3")
    assert facts.worker not in (None, os.getpid())
    assert "raise OddError" in facts.traceback
    assert caught.value.extra == ["one", "two"]
    assert isinstance(caught.value.__cause__, KeyError)
    assert any("item 3" in note for note in caught.value.__notes__)


def _lock(_: int) -> object:
    return threading.Lock()


@pytest.mark.parametrize(
    ("make", "match"),
    [
        (lambda: count.iter(n=3).then(task(_lock)), "result of task '_lock' cannot be sent back"),
        (lambda: task(_locks).iter(n=3).then(task(_same)), "item 0 of task '_locks' cannot be sent"),
        (lambda: count.iter(n=3).then(task(_keep), other=threading.Lock()), "argument 'other' of task"),
    ],
)
def test_what_cannot_be_pickled_is_named(make: Callable[[], daglite.MapTaskFuture[object]], match: str) -> None:
    with pytest.raises(TransferError, match=match):
        make().run(workers=2)
    assert count.iter(n=3).then(double).run(workers=2) == [0, 2, 4]


def _locks(n: int) -> Iterator[object]:
    for _ in range(n):
        yield threading.Lock()


def _same(one: object) -> object:
    return one


def _keep(x: int, other: object) -> int:
    return x


@pytest.mark.parametrize("kind", [SystemExit, KeyboardInterrupt, GeneratorExit, StopIteration])
def test_exits_raised_by_a_task_are_task_errors(crew: RuntimeName, kind: type[BaseException]) -> None:
    def leave(x: int) -> int:
        if x == 2:
            raise kind("out")
        return x

    with pytest.raises(TaskFailedError, match=kind.__name__) as caught:
        count.iter(n=5).then(task(leave)).run(runtime=crew, workers=2)
    assert isinstance(caught.value.__cause__, kind)
    facts = failure_of(caught.value)
    assert facts is not None
    assert facts.index == 2


def test_the_generator_is_closed_before_run_raises(crew: RuntimeName) -> None:
    seen: list[str] = []

    @task
    def endless() -> Iterator[int]:
        try:
            number = 0
            while True:
                yield number
                number += 1
        finally:
            seen.append("closed")

    with pytest.raises(OddError, match="one and two"):
        endless.iter().then(task(_cause)).run(runtime=crew, workers=2)
    assert seen == ["closed"]
    with daglite.compile(endless.iter().then(double)).stream(runtime=crew, workers=2) as items:
        assert [next(items) for _ in range(5)] == [0, 2, 4, 6, 8]
    assert seen == ["closed", "closed"]
