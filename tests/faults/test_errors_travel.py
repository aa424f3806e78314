"""What goes wrong in a task, or on its way, arrives whole: type, notes, index; and the next run is healthy."""

from __future__ import annotations

import asyncio
import math
import os
import threading
import traceback
from collections.abc import Callable, Iterator
from typing import Literal

import pytest

from daglite import Future, compile, task
from daglite.exceptions import TaskFailedError, TransferError, failure_of
from daglite.options import StartMethod
from daglite.runtime import Processes, Threads
from tests.tasks import count, double

pytestmark = pytest.mark.timeout(60)
METHODS: list[StartMethod] = ["fork", "forkserver", "spawn"]
Ways = Literal["threads", StartMethod]
WAYS: list[Ways] = ["threads", *METHODS]
BAD = 7


class TwoArguments(Exception):
    def __init__(self, first: str, second: str) -> None:
        super().__init__(f"{first}-{second}")
        self.parts = (first, second)


class KeywordOnly(Exception):
    def __init__(self, *, code: int) -> None:
        super().__init__("keyword only")
        self.code = code


class Payload(Exception):
    def __init__(self) -> None:
        super().__init__("with a lock")
        self.lock = threading.Lock()


class NoText(Exception):
    def __str__(self) -> str:
        raise RuntimeError("no text")

    __repr__ = __str__


class NoReduce(Exception):
    def __reduce__(self) -> str:
        raise RuntimeError("cannot be reduced")


class ExitsWhenLoaded(Exception):
    def __reduce__(self) -> tuple[type[SystemExit], tuple[int]]:
        return SystemExit, (3,)


def noted() -> Exception:
    error = ValueError("noted")
    error.add_note("a note of my own")
    return error


def chained() -> Exception:
    try:
        try:
            raise KeyError("first")
        except KeyError as first:
            raise TwoArguments("a", "b") from first
    except TwoArguments as second:
        last = ValueError("last")
        last.__cause__ = second
        return last


def grouped() -> Exception:
    return ExceptionGroup("several", [ValueError("one"), ExceptionGroup("inner", [KeywordOnly(code=2)])])


def raising(make: Callable[[], BaseException]) -> Callable[[int], int]:
    def work(x: int) -> int:
        if x == BAD:
            raise make()
        return x

    return work


def sink(x: int) -> int:
    if x == BAD:
        raise LookupError("deep")
    return x


async def async_sink(x: int) -> int:
    await asyncio.sleep(0)
    return sink(x)


def sinks(n: int) -> Iterator[int]:
    yield from (sink(x) for x in range(n))


@pytest.mark.parametrize(
    ("pipeline", "first"),
    [
        (task(sink).map(x=range(20)), "sink"),
        (task(sink, retries=1).map(x=range(20)), "sink"),
        (task(sink, timeout=30).map(x=range(20)), "sink"),
        (task(lambda y, x: sink(x), name="named").partial(y=1).map(x=range(20)), "<lambda>"),
        (task(async_sink).map(x=range(20)), "async_sink"),
        (task(sink)(x=BAD), "sink"),
        (task(async_sink)(x=BAD), "async_sink"),
        (task(sinks)(n=20), "sinks"),
    ],
)
def test_a_traceback_of_a_worker_begins_with_the_users_own_frame(pipeline: Future[object], first: str) -> None:
    with pytest.raises(LookupError, match="deep") as caught:
        pipeline.run(workers=1)
    facts = failure_of(caught.value)
    assert facts is not None
    head, frame, *_ = facts.traceback.splitlines()
    assert head == "Traceback (most recent call last):"
    assert frame.startswith(f'  File "{__file__}", line ')
    assert frame.endswith(f", in {first}")
    assert "in sink\n" in facts.traceback
    assert facts.traceback.endswith("LookupError: deep\n")


def test_a_function_in_c_that_raises_has_no_frames_of_ours() -> None:
    with pytest.raises(ValueError, match="factorial") as caught:
        task(math.factorial, name="factorial").map(n=[1, -1]).run(workers=1)
    facts = failure_of(caught.value)
    assert facts is not None
    assert facts.traceback == "ValueError: factorial() not defined for negative values\n"


def caught_by(make: Callable[[], BaseException], way: Ways = "auto") -> BaseException:
    """The error of a run whose item `BAD` raises; afterwards the same workers do another run."""
    with Threads(workers=1) if way == "threads" else Processes(workers=1, start_method=way) as pool:
        try:
            count.iter(n=30).then(task(raising(make), name="work")).run(runtime=pool)
        except Exception as error:
            # Not `pytest.raises`, which would ask each of them for its text.
            caught = error
        assert count.iter(n=10).then(double).run(runtime=pool) == [2 * i for i in range(10)]
    facts = failure_of(caught)
    assert facts is not None
    assert (facts.task, facts.step, facts.index, facts.item, facts.attempt) == ("work", 1, BAD, str(BAD), 1)
    assert facts.worker not in (None, os.getpid())
    assert "in work" in facts.traceback
    assert any(f"daglite: task 'work', item {BAD} ({BAD}), worker" in note for note in caught.__notes__)
    return caught


@pytest.mark.parametrize("way", WAYS)
def test_exceptions_with_odd_constructors_arrive_as_themselves(way: Ways, nothing_left: None) -> None:
    error = caught_by(lambda: TwoArguments("a", "b"), way)
    assert isinstance(error, TwoArguments)
    assert (str(error), error.parts) == ("a-b", ("a", "b"))


@pytest.mark.parametrize("way", WAYS)
def test_classes_that_a_worker_knows_only_by_value_arrive_as_themselves(way: Ways) -> None:
    class Local(Exception):
        pass

    assert type(caught_by(lambda: Local("mine"), way)) is Local


@pytest.mark.parametrize("way", ["threads", "auto"])
def test_keyword_only_constructors_and_notes_arrive(way: Ways) -> None:
    error = caught_by(lambda: KeywordOnly(code=5), way)
    assert isinstance(error, KeywordOnly)
    assert error.code == 5
    error = caught_by(noted, way)
    assert isinstance(error, ValueError)
    assert error.__notes__[0] == "a note of my own"


@pytest.mark.parametrize("way", ["threads", "auto"])
def test_causes_and_groups_arrive(way: Ways) -> None:
    error = caught_by(chained, way)
    assert isinstance(error, ValueError)
    assert isinstance(error.__cause__, TwoArguments)
    assert error.__cause__.parts == ("a", "b")
    assert isinstance(error.__cause__.__cause__, KeyError)
    group = caught_by(grouped, way)
    assert isinstance(group, ExceptionGroup)
    one, inner = group.exceptions
    assert (type(one), str(one)) == (ValueError, "one")
    assert isinstance(inner, ExceptionGroup)
    assert isinstance(inner.exceptions[0], KeywordOnly)
    assert inner.exceptions[0].code == 2


@pytest.mark.parametrize(
    ("make", "method"), [(Payload, "fork"), (Payload, "spawn"), (NoReduce, "forkserver"), (ExitsWhenLoaded, "fork")]
)
def test_exceptions_that_cannot_travel_arrive_as_facts(make: type[Exception], method: StartMethod) -> None:
    error = caught_by(make, method)
    assert isinstance(error, TaskFailedError)
    assert make.__name__ in str(error)
    assert "in work" in str(error)


@pytest.mark.parametrize("make", [Payload, lambda: ValueError("x"), lambda: SystemExit(2)])
@pytest.mark.parametrize("way", ["threads", "auto"])
def test_the_frames_of_the_worker_are_printed_once(make: Callable[[], BaseException], way: Ways) -> None:
    """As the error's own on threads, in its message where it could not travel, else in a note."""
    error = caught_by(make, way)
    assert "".join(traceback.format_exception(error)).count(", in work\n") == 1


@pytest.mark.parametrize("way", ["threads", "auto"])
def test_an_exception_without_text_arrives(way: Ways) -> None:
    assert isinstance(caught_by(NoText, way), NoText | TaskFailedError)


@pytest.mark.parametrize("way", ["threads", "auto"])
@pytest.mark.parametrize("kind", [SystemExit, KeyboardInterrupt, GeneratorExit, StopIteration, StopAsyncIteration])
def test_exits_become_errors_of_the_task(kind: type[BaseException], way: Ways, nothing_left: None) -> None:
    error = caught_by(lambda: kind("out"), way)
    assert isinstance(error, TaskFailedError)
    assert kind.__name__ in str(error)
    assert type(error.__cause__) is kind


@pytest.mark.parametrize("way", ["threads", "auto"])
def test_an_exit_in_a_group_does_not_reach_the_coordinator_bare(way: Ways) -> None:
    error = caught_by(lambda: BaseExceptionGroup("out", [SystemExit(2), ValueError("x")]), way)
    assert isinstance(error, TaskFailedError)
    assert isinstance(error.__cause__, BaseExceptionGroup)


class Refuses:
    """Cannot be pickled, or cannot be loaded again: in a worker, here, or anywhere."""

    def __init__(self, where: str, home: int) -> None:
        self.where, self.home = where, home

    def __getstate__(self) -> tuple[str, int]:
        if self.where == "pickling":
            raise RuntimeError("no pickling")
        return self.where, self.home

    def __setstate__(self, state: tuple[str, int]) -> None:
        self.where, self.home = state
        if self.where == "exit":
            raise SystemExit(4)
        if self.where == ("here" if os.getpid() == self.home else "worker"):
            raise RuntimeError(f"no loading {self.where}")


def refusing(where: str) -> Callable[[int], object]:
    home = os.getpid()

    def give(x: int) -> object:
        return Refuses(where, home) if x == BAD else x

    return give


@task
def refusals(n: int, where: str, home: int) -> Iterator[object]:
    for i in range(n):
        yield Refuses(where, home) if i == BAD else i


@task
def same(x: object) -> object:
    return x


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize(
    ("where", "match"),
    [
        ("pickling", "item 7 of task 'refusals' cannot be sent to a worker: .*'Refuses'.*no pickling"),
        ("worker", "the item cannot be loaded in a worker: RuntimeError: no loading worker"),
        ("exit", "the item cannot be loaded in a worker: SystemExit: 4"),
        ("here", "a result of task 'same' cannot be loaded in the coordinator: RuntimeError: no loading here"),
    ],
)
def test_items_that_cannot_travel_are_named(where: str, match: str, method: StartMethod, nothing_left: None) -> None:
    with Processes(workers=1, start_method=method) as pool:
        with pytest.raises(TransferError, match=match) as caught:
            refusals.iter(n=30, where=where, home=os.getpid()).then(same).run(runtime=pool)
        assert count.iter(n=10).then(double).run(runtime=pool) == [2 * i for i in range(10)]
    facts = failure_of(caught.value)
    assert facts is not None
    assert facts.index == BAD
    assert facts.task == ("refusals" if where == "pickling" else "same")


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize(
    ("where", "match"),
    [
        ("pickling", "the result of task 'give' cannot be sent back: .*'Refuses'.*no pickling"),
        ("here", "a result of task 'give' cannot be loaded in the coordinator: RuntimeError: no loading here"),
        ("exit", "a result of task 'give' cannot be loaded in the coordinator: SystemExit: 4"),
    ],
)
def test_results_that_cannot_travel_are_named(where: str, match: str, method: StartMethod, nothing_left: None) -> None:
    give = task(refusing(where), name="give")
    with Processes(workers=1, start_method=method) as pool:
        with pytest.raises(TransferError, match=match) as caught:
            count.iter(n=30).then(give).run(runtime=pool)
        assert count.iter(n=10).then(double).run(runtime=pool) == [2 * i for i in range(10)]
    facts = failure_of(caught.value)
    assert facts is not None
    assert (facts.task, facts.index, facts.item) == ("give", BAD, str(BAD))


@pytest.mark.parametrize("where", ["pickling", "here", "exit"])
def test_values_of_single_calls_that_cannot_travel_are_named(where: str, nothing_left: None) -> None:
    with Processes(workers=1) as pool:
        with pytest.raises(TransferError, match="task 'give'"):
            task(refusing(where), name="give").partial(x=BAD)().run(runtime=pool)
        with pytest.raises(TransferError, match=r"refusals"):
            compile(refusals.iter(n=30, where=where, home=os.getpid()), optimize=False).run(runtime=pool)
        assert double(x=2).run(runtime=pool) == 4
