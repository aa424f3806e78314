"""What goes wrong in a task is told alike: which task, which item, where; and the engine is none the worse."""

from __future__ import annotations

import logging
import os
import sys
import time
from collections.abc import Iterator

import pytest

from daglite import compile, task
from daglite.exceptions import TaskFailedError, TaskTimeoutError, failure_of
from daglite.options import Runtime
from daglite.runtime import Inline


@task
def count(n: int) -> Iterator[int]:
    yield from range(n)


class Refusal(Exception):
    """An exception whose constructor takes something else than its message."""

    def __init__(self, code: int, why: str) -> None:
        super().__init__(f"refused {code}: {why}")
        self.code = code


def test_an_error_is_itself_and_names_task_and_item(engine: Runtime) -> None:
    def picky(x: int) -> int:
        if x == 57:
            raise Refusal(57, "not that one")
        return x

    with pytest.raises(Refusal, match="refused 57") as caught:
        count.iter(n=200).then(task(picky)).run(runtime=engine)
    facts = failure_of(caught.value)
    assert facts is not None
    assert (facts.task, facts.index, facts.item, caught.value.code) == ("picky", 57, "57", 57)
    assert any("picky" in line for line in [facts.traceback, *(entry.name for entry in caught.traceback)])


def test_the_traceback_of_a_worker_comes_with_the_error(apart: Runtime) -> None:
    def deep(x: int) -> int:
        return deeper(x)

    def deeper(x: int) -> int:
        return 1 // x

    with pytest.raises(ZeroDivisionError, match="division") as caught:
        count.iter(n=5).then(task(deep)).run(runtime=apart)
    facts = failure_of(caught.value)
    assert facts is not None
    assert "in deeper" in facts.traceback
    assert "runner.py" not in facts.traceback
    assert facts.worker not in (None, os.getpid())


@pytest.mark.parametrize("leave", [lambda: sys.exit(3), lambda: (_ for _ in ()).throw(GeneratorExit)])
def test_exits_in_tasks_are_their_failures(crewed: Runtime, leave: object) -> None:
    """On an engine that sees a `SystemExit` nothing might ever come back."""
    with pytest.raises(TaskFailedError, match="Exit") as caught:
        count.iter(n=5).then(task(lambda x: leave() if x == 3 else x, name="exits")).run(runtime=crewed)  # type: ignore[operator]
    facts = failure_of(caught.value)
    assert facts is not None
    assert (facts.task, facts.index) == ("exits", 3)


def test_an_error_that_cannot_travel_is_told_as_facts(apart: Runtime) -> None:
    class Odd(Exception):
        def __reduce__(self) -> str:
            raise TypeError("not me")

    def odd(x: int) -> int:
        raise Odd("inside")

    with pytest.raises(TaskFailedError, match="Odd"):
        count.iter(n=2).then(task(odd)).run(runtime=apart)


def test_the_lowest_of_several_failures_is_raised(engine: Runtime) -> None:
    def late(x: int) -> int:
        if x == 3:
            time.sleep(0.1)
        if x in (3, 20):
            raise KeyError(x)
        return x

    with pytest.raises(KeyError, match="3") as caught:
        compile(count.iter(n=60).then(task(late)), max_batch_size=1).run(runtime=engine)
    facts = failure_of(caught.value)
    assert facts is not None
    assert facts.index == 3


@pytest.mark.parametrize("where", ["task", "source"])
def test_a_stream_gives_what_came_before_the_failure_first(engine: Runtime, where: str) -> None:
    """Whoever writes results away as they come has all of them up to the one that failed."""

    @task
    def numbers() -> Iterator[int]:
        for i in range(100):
            if i == 50 and where == "source":
                raise OSError("no more")
            yield i

    def checked(x: int) -> int:
        if x == 50:
            raise OSError("no more")
        return x

    for _ in range(5):
        found: list[int] = []
        with compile(numbers.iter().then(task(checked))).stream(runtime=engine) as items:
            with pytest.raises(OSError, match="no more"):
                found.extend(items)
            assert next(items, None) is None
        assert found == list(range(50))


def test_retries_repeat_what_raised(engine: Runtime) -> None:
    seen: list[int] = []

    def shaky(x: int) -> int:
        seen.append(x)
        if seen.count(x) < 3:
            raise KeyError("again")
        return seen.count(x)

    assert set(count.iter(n=10).then(task(shaky, retries=2)).run(runtime=engine)) == {3}


def test_a_call_over_its_limit_ends_the_run(apart: Runtime) -> None:
    def sleepy(x: int) -> int:
        time.sleep(3600 if x == 4 else 0)
        return x

    with pytest.raises(TaskTimeoutError, match=r"'sleepy' took longer than its `timeout` of 0\.3 s; ") as caught:
        count.iter(n=10).then(task(sleepy, timeout=0.3)).run(runtime=apart)
    facts = failure_of(caught.value)
    assert facts is not None
    assert facts.index == 4
    # What it left behind is in nobody's way.
    assert count.iter(n=20).then(task(lambda x: x)).run(runtime=apart) == list(range(20))


def test_calls_within_their_limit_are_as_without_one(apart: Runtime) -> None:
    assert count.iter(n=100).then(task(lambda x: x + 1, timeout=20)).run(runtime=apart) == list(range(1, 101))

    @task(timeout=20)
    def drained(n: int) -> Iterator[int]:
        yield from range(n)

    assert drained(n=5).run(runtime=apart) == list(range(5))


def test_log_records_of_workers_arrive_marked(apart: Runtime, caplog: pytest.LogCaptureFixture) -> None:
    def speak(x: int) -> int:
        if x == 5:
            logging.getLogger("speaker").warning("five")
        return x

    count.iter(n=10).then(task(speak)).run(runtime=apart)
    (record,) = [each for each in caplog.records if each.name == "speaker"]
    assert (record.getMessage(), vars(record)["daglite_task"], vars(record)["daglite_index"]) == ("five", "speak", 5)


def test_a_run_inside_a_task_runs_there(apart: Runtime) -> None:
    def nested(x: int) -> int:
        return sum(count.iter(n=x).then(task(lambda y: y)).run())

    assert count.iter(n=6).then(task(nested)).run(runtime=apart) == [0, 0, 1, 3, 6, 10]


@pytest.mark.usefixtures("parts_stay")
def test_an_error_in_putting_parts_together_names_its_task(engine: Runtime) -> None:
    """Wherever that is done: large parts are put together on the workers of a cluster."""

    def padded(so_far: tuple[int, bytes], x: int) -> tuple[int, bytes]:
        return so_far[0] + x, so_far[1]

    def fussy(one: tuple[int, bytes], other: tuple[int, bytes]) -> tuple[int, bytes]:
        if one[0] + other[0] > 1000:
            raise Refusal(one[0] + other[0], "too much")
        return one[0] + other[0], one[1]

    start = (0, bytes(300_000))
    plan = compile(count.iter(n=60).reduce(task(padded), initial=start, combine=fussy, empty=start), max_batch_size=2)
    if isinstance(engine, Inline):
        assert plan.run(runtime=engine)[0] == 1770
        return
    with pytest.raises(Refusal, match="too much") as caught:
        plan.run(runtime=engine)
    facts = failure_of(caught.value)
    assert facts is not None
    assert (facts.task, facts.index) == ("fussy", None)
