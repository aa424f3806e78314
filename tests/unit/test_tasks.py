"""Tasks: what `@task` makes of a function, and leaves of it."""

from __future__ import annotations

import asyncio
import dataclasses
import functools
import inspect
import types
from collections.abc import AsyncIterator, Callable, Iterable, Iterator
from typing import Any, cast

import pytest

import daglite
from daglite import Future, IterFuture, PartialStreamTask, PartialTask, StreamTask, Task, TaskFuture, task
from daglite.exceptions import ParameterError, TaskError


def loose(fn: Callable[..., object]) -> Any:
    """A task that checkers know nothing of."""
    return task(fn)


def inline(future: Future[object]) -> object:
    return future.run(runtime="inline")


def add(x: int, y: int = 1) -> int:
    return x + y


async def later(x: int) -> int:
    return x + 1


def count(n: int) -> Iterator[int]:
    yield from range(n)


async def ticks(n: int) -> AsyncIterator[int]:
    for number in range(n):
        yield number


def made(n: int) -> Iterator[int]:
    """An iterator made elsewhere: no `yield` here."""
    return iter(range(n))


@dataclasses.dataclass(frozen=True)
class Scale:
    by: int

    def __call__(self, x: int) -> int:
        return x * self.by

    def method(self, x: int, plus: int = 0) -> int:
        return x * self.by + plus

    def items(self, n: int) -> Iterator[int]:
        yield from range(0, n * self.by, self.by)

    @classmethod
    def of_class(cls, x: int) -> int:
        return x

    @staticmethod
    def of_none(x: int) -> int:
        return x


@dataclasses.dataclass(frozen=True)
class Row:
    path: str
    number: int = 0


PLAIN: list[tuple[Callable[..., object], dict[str, object], object]] = [
    (add, {"x": 1}, 2),
    (later, {"x": 1}, 2),
    (lambda x: x + 5, {"x": 1}, 6),
    (functools.partial(add, 1), {"y": 5}, 6),
    (functools.partial(add, y=5), {"x": 1}, 6),
    (functools.partial(later, 1), {}, 2),
    (Scale(3), {"x": 2}, 6),
    (Scale(3).method, {"x": 2, "plus": 1}, 7),
    (Scale.of_class, {"x": 2}, 2),
    (Scale.of_none, {"x": 2}, 2),
    (Scale.method, {"self": Scale(3), "x": 2}, 6),
    (Row, {"path": "a"}, Row("a")),
    (functools.partial(Row, "a"), {"number": 3}, Row("a", 3)),
]


@pytest.mark.parametrize(("fn", "arguments", "wanted"), PLAIN, ids=lambda value: getattr(value, "__name__", ""))
def test_everything_callable_is_a_task(fn: Callable[..., object], arguments: dict[str, object], wanted: object) -> None:
    made_task = task(fn)

    assert type(made_task) is Task
    assert made_task.fn is fn
    assert inline(made_task(**arguments)) == wanted


STREAMS: list[Callable[..., object]] = [
    count,
    ticks,
    made,
    Scale(1).items,
    functools.partial(count),
    functools.partial(functools.partial(ticks)),
]


@pytest.mark.parametrize("fn", STREAMS)
def test_every_generator_is_a_stream_task(fn: Callable[..., Iterator[int]]) -> None:
    """Called directly it gives a list, with `.iter` its items."""
    stream: Any = loose(fn)

    assert stream.fn is fn
    assert type(stream) is StreamTask
    assert type(stream(n=3)) is TaskFuture
    assert type(stream.iter(n=3)) is IterFuture
    assert inline(stream(n=3)) == inline(stream.iter(n=3)) == [0, 1, 2]


def test_generator_annotated_iterable_streams() -> None:
    """The `yield` says it; only checkers need to be told `Iterator`."""

    @task
    def gen(n: int) -> Iterable[int]:
        yield from range(n)

    assert inline(cast("StreamTask[..., int]", gen).iter(n=2)) == [0, 1]


def test_builtins_with_a_signature_are_tasks() -> None:
    assert inline(task(len).map(obj=["a", "bc"])) == [1, 2]
    assert inline(loose(divmod)(7, 2)) == (3, 1)


def test_wrapped_function_keeps_its_kind() -> None:
    def noted(fn: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(fn)
        def inner(*args: Any, **kwargs: Any) -> Any:
            return fn(*args, **kwargs)

        return inner

    assert inline(loose(noted(add))(x=1)) == 2
    assert inline(loose(noted(count)).iter(n=2)) == [0, 1]
    assert inline(loose(noted(ticks)).iter(n=2)) == [0, 1]
    assert inline(loose(noted(later))(x=1)) == 2
    with pytest.raises(ParameterError, match=r"^task 'add' has no parameter 'z'; it takes 'x', 'y'$"):
        loose(noted(add))(z=1)


def test_wrapper_of_a_generator_may_give_a_list() -> None:
    """A wrapper that collects by itself is what is called, whatever it wraps."""

    @functools.wraps(count)
    def listed(n: int) -> list[int]:
        return list(count(n))

    assert inline(task(listed)(n=2)) == [0, 1]
    assert inline(loose(listed).iter(n=2)) == [0, 1]


def test_function_and_module_stay_untouched() -> None:
    module = types.ModuleType("users")
    source = "def double(x): return x * 2\nfn = double\nmark = vars(fn).copy()\nt = task(double)"
    module.__dict__["task"] = task
    exec(source, module.__dict__)

    assert {name for name in vars(module) if not name.startswith("__")} == {"task", "double", "fn", "mark", "t"}
    assert module.t.fn is module.double is module.fn
    assert vars(module.double) == module.mark == {}
    assert (module.double.__name__, module.double.__qualname__) == ("double", "double")


def test_task_names() -> None:
    assert task(add).name == "add"
    assert task(lambda x: x).name == "<lambda>"
    assert task(Scale(2)).name == "Scale"
    assert task(functools.partial(add, 1)).name == "add"
    assert task(add, name="plus").name == "plus"
    assert repr(task(add)) == "Task(add)"
    assert repr(task(count)) == "StreamTask(count)"
    assert repr(task(add).partial(y=1)) == "PartialTask(add, y=...)"
    assert repr(task(count).partial(n=1)) == "PartialStreamTask(count, n=...)"


def test_options_come_in_three_ways() -> None:
    @task(name="decorated", retries=2)
    def decorated(x: int) -> int:
        return x

    direct = task(add, name="direct", retries=1)
    changed = task(add).with_options(retries=3)

    assert (decorated.name, decorated.retries) == ("decorated", 2)
    assert (direct.name, direct.retries) == ("direct", 1)
    assert (changed.name, changed.retries) == ("add", 3)
    assert (task(add).name, task(add).retries) == ("add", 0)


def test_with_options_keeps_what_is_not_given() -> None:
    first = task(count, name="first", retries=2).partial(n=2)
    second = first.with_options(name="second")

    assert type(second) is PartialStreamTask
    assert (second.name, second.retries) == ("second", 2)
    assert first.fn is second.fn
    assert (first.name, first.retries) == ("first", 2), "the old one is as it was"
    assert inline(second.iter()) == [0, 1]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"name": ""}, r"^`name` must be a line of text that is not empty; got ''$"),
        ({"retries": -1}, r"^`retries` must be a whole number >= 0 or a `daglite\.Retry`; got -1$"),
        ({"timeout": -1}, r"^`timeout` must be a number of seconds > 0, or None; got -1$"),
        ({"retry": 1}, r"^tasks have no option 'retry'; known: name, retries, .*; did you mean 'retries'\?$"),
    ],
)
def test_wrong_options_raise_where_they_are_given(options: dict[str, Any], message: str) -> None:
    for build in (
        lambda: task(**options),
        lambda: task(add, **options),
        lambda: task(add).with_options(**options),
        lambda: task(add).partial(y=1).with_options(**options),
    ):
        with pytest.raises(ParameterError, match=message):
            build()


def test_retries_repeat_a_task() -> None:
    calls: list[int] = []

    @task(retries=2)
    def flaky(x: int) -> int:
        calls.append(x)
        if len(calls) < 3:
            raise OSError("not yet")
        return x

    assert inline(flaky(x=1)) == 1
    assert calls == [1, 1, 1]


@pytest.mark.parametrize("given", [3, "add", object(), [add]])
def test_only_callables_are_tasks(given: object) -> None:
    with pytest.raises(TaskError, match=r"^`task` needs a function; got "):
        task(given)  # type: ignore[call-overload]


def test_task_of_a_task_is_refused() -> None:
    with pytest.raises(TaskError, match=r"^Task\(add\) is a task already; use `\.with_options\(\.\.\.\)` to change"):
        loose(task(add))
    with pytest.raises(TaskError, match=r"^PartialTask\(add, y=\.\.\.\) is a task already"):
        task(name="again")(cast(Any, task(add).partial(y=1)))


def test_exception_class_is_refused() -> None:
    """Most likely a slip: nobody wants exceptions as items."""
    with pytest.raises(TaskError, match=r"^`task` needs a function; got the exception class 'ValueError'$"):
        task(ValueError)


def test_iter_needs_a_generator() -> None:
    for one in (loose(add), loose(later), loose(add).partial(y=1), loose(Scale(2)).partial()):
        with pytest.raises(
            TaskError, match=rf"^`iter` needs a generator; task '{one.name}' is not a generator function: use `yield`"
        ):
            one.iter(x=1)


@pytest.mark.parametrize("name", ["then", "join", "reduce", "save", "run", "run_async"])
def test_method_of_futures_on_a_task_says_to_call_it(name: str) -> None:
    for one in (task(add), task(count), task(add).partial(y=2)):
        with pytest.raises(
            AttributeError,
            match=rf"^`{name}` belongs to futures; '{one.name}' is a task: call it first, or use `.iter`",
        ):
            getattr(one, name)
    assert not hasattr(task(add), name)


def test_other_attributes_are_missing_as_usual() -> None:
    with pytest.raises(AttributeError, match=r"^'Task' object has no attribute 'thn'$"):
        task(add).thn  # type: ignore[attr-defined]
    with pytest.raises(AttributeError, match=r"^'Task' object has no attribute 'function'$"):
        Task.__new__(Task).function


def test_iter_of_options_that_need_a_worker_is_refused() -> None:
    """The generator runs in the coordinator, where no time limit can be kept."""
    for one in (task(count, timeout=1), task(count, retry_on_crash=False)):
        with pytest.raises(ParameterError, match=r"^task 'count' has a `timeout` or `retry_on_crash=False`, which"):
            one.iter(n=1)


@pytest.mark.parametrize("on", ["threads", "processes"])
def test_what_runs_in_the_coordinator_refuses_other_places(on: Any) -> None:
    """Said when it is built: a generator of `.iter`, a fold, the tasks of operations."""
    source, placed = task(count).iter(n=1), task(add, on=on)
    refused = rf"^task 'add' has `on='{on}'`, which `%s` cannot keep"
    with pytest.raises(ParameterError, match=rf"^task 'count' has `on='{on}'`, which `.iter` cannot keep"):
        task(count, on=on).iter(n=1)
    with pytest.raises(ParameterError, match=refused % "reduce"):
        source.reduce(placed, initial=0)
    with pytest.raises(ParameterError, match=refused % "combine"):
        source.reduce(task(add), initial=0, combine=placed)
    with pytest.raises(ParameterError, match=refused % "group_by"):
        source.group_by(placed.partial(y=1))
    here = task(count, on="coordinator").iter(n=1).reduce(task(add, on="coordinator"), initial=0)
    assert here.run(runtime="inline") == 0


def test_place_stays_until_another_is_given() -> None:
    placed = task(add, on="threads", workers=3)

    def site(changed: Any) -> str:
        return str(changed.function.site)

    assert site(placed.with_options(retries=2)) == "threads 3"
    assert site(placed.with_options(workers=5)) == "threads 5"
    # Another place has workers of its own.
    assert site(placed.with_options(on="processes")) == "processes"
    assert site(placed.with_options(on=None)) == "None"


def test_partial_kinds() -> None:
    assert type(task(add).partial(y=1)) is PartialTask
    assert type(task(count).partial()) is PartialStreamTask
    assert type(task(add).partial(y=1).partial(x=1)) is PartialTask
    assert task(add).partial(y=1).fn is add


def test_tasks_are_frozen_and_compare_by_identity() -> None:
    first = task(add)

    with pytest.raises(AttributeError, match="cannot assign to field 'function'"):
        first.function = first.function  # type: ignore[misc]
    assert first != task(add)
    assert len({first, first, task(add)}) == 2


def test_calling_a_task_runs_nothing() -> None:
    calls: list[int] = []
    future = task(calls.append)(1)
    daglite.compile(future).explain()

    assert calls == []
    assert inline(future) is None
    assert calls == [1]


def test_public_names_are_those_of_the_face() -> None:
    assert all(hasattr(daglite, name) for name in daglite.__all__)
    assert daglite.__all__ == sorted(daglite.__all__)
    assert inspect.getdoc(task) is not None


def test_none_in_place_of_a_function_is_told() -> None:
    with pytest.raises(TaskError, match=r"^`task` needs a function; got None$"):
        task(None)  # type: ignore[call-overload]


def test_a_plain_wrapper_that_awaits_by_itself_is_believed() -> None:
    async def later(x: int) -> int:
        return x + 1

    @functools.wraps(later)
    def now(x: int) -> int:
        return asyncio.run(later(x))

    assert task(now)(x=1).run(runtime="inline") == 2
