"""Tasks: a user's function, typed, with its options; calling one builds a future and runs nothing."""

from __future__ import annotations

import functools
import inspect
from collections.abc import AsyncIterator, Callable, Coroutine, Iterable, Iterator, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Generic, Literal, NoReturn, Protocol, Self, overload

from typing_extensions import ParamSpec, TypedDict, TypeVar, Unpack

from daglite.binding import Bindable, bind_call, bind_map, fix, refuse_on_error
from daglite.exceptions import ParameterError, TaskError
from daglite.failed import Failed
from daglite.functions import On, describe, free_parameters, suggest
from daglite.futures import Future, IterFuture, MapTaskFuture, TaskFuture
from daglite.ir.nodes import IterNode, MapTaskNode, TaskNode
from daglite.partitions import partitioned
from daglite.retry import Retry

P = ParamSpec("P")
R = TypeVar("R")
T = TypeVar("T")
R_co = TypeVar("R_co", covariant=True)

# None may be given by mistake, and is then told as one.
_NOT_GIVEN = object()

_OF_FUTURES = ("then", "join", "reduce", "save", "run", "run_async")


class TaskOptions(TypedDict, total=False):
    """The options of a task; see `task`."""

    name: str | None
    retries: int | Retry
    timeout: float | None
    retry_on_crash: bool
    on_error: Literal["raise", "skip"] | Callable[[Failed[Any]], object]
    on: On | None
    workers: int | None


def _by_name(method: Callable[..., object]) -> Callable[..., object]:
    """`map` and `partial` at run time: values by position are told as everywhere, not by Python."""
    called = method.__name__

    @functools.wraps(method)
    def named(task: Bindable, /, *values: object, **given: object) -> object:
        if values:
            free = free_parameters(task.function, [binding.name for binding in task.fixed])
            raise ParameterError(
                f"`{called}` of task '{task.function.name}' takes its values by name; got {values[0]!r} by position: "
                f"write .{called}({free[0] if free else 'name'}=...)"
            )
        return method(task, **given)

    return named


class BaseTask(Bindable, Generic[P, R_co]):
    """What all tasks share: calling, mapping, fixing parameters, changing options."""

    def __repr__(self) -> str:
        fixed = "".join(f", {binding.name}=..." for binding in self.fixed)
        return f"{type(self).__name__}({self.function.name}{fixed})"

    @property
    def fn(self) -> Callable[..., R_co]:
        """The plain function, untouched."""
        return self.function.fn  # type: ignore[return-value]

    @property
    def name(self) -> str:
        """The name shown in plans and errors."""
        return self.function.name

    @property
    def retries(self) -> int:
        """Further attempts after a first one that raised an `Exception`."""
        return self.function.retries

    def __call__(self, /, *args: P.args, **kwargs: P.kwargs) -> TaskFuture[R_co]:
        """One call, not run yet; raises `ParameterError` for arguments that do not fit."""
        self._refuse_skip()
        return TaskFuture(TaskNode(bind_call(self, args, kwargs)))

    def _refuse_skip(self) -> None:
        refuse_on_error(self.function, "a call", "its value cannot be left out", handler=not self.function.streams)

    def map(
        self,
        /,
        *,
        map_mode: Literal["zip", "product"] = "zip",
        **mapped: Iterable[Any] | Future[Iterable[Any]],
    ) -> MapTaskFuture[R_co]:
        """One call for each value of the mapped parameters, zipped or as a product; the last one moves fastest then.

        The values are made into lists at once; a future as a mapped argument is mapped over. Raises `ParameterError`
        for parameters that are unknown, missing or fixed already, for values that cannot be iterated or, zipped, differ
        in length, and for a stream made by `.iter()` that is not the only one.

        >>> @task
        ... def power(x: int, k: int) -> int:
        ...     return x**k
        >>> power.map(x=[2, 3], k=[1, 2]).run(runtime="inline")
        [2, 9]
        """
        if len(mapped) > 1 and (streams := [key for key, value in mapped.items() if isinstance(value, IterFuture)]):
            raise ParameterError(
                f"`map` of task '{self.name}': '{streams[0]}' is an `.iter()` stream and must be the only mapped "
                f"parameter; got {', '.join(map(repr, mapped))}; use `.then(task, extra=...)` or map over a list"
            )
        call, sources, mode = bind_map(self, map_mode, mapped)
        return MapTaskFuture(MapTaskNode(call, sources, mode))

    def partial(self, /, **fixed: Any) -> PartialTask[..., R_co]:
        """The same task with some parameters fixed; a future as a fixed value is evaluated first, once.

        Raises `ParameterError` for names that the task does not have, or that are fixed already.
        """
        return PartialTask(self.function, fix(self, fixed))

    def with_options(self, **options: Unpack[TaskOptions]) -> Self:
        """The same task with other options; what is not given stays. Options and errors are those of `task`."""
        old = self.function
        stay: TaskOptions = {
            "name": old.name,
            "retries": old.retries if old.retry is None else old.retry,
            "timeout": old.timeout,
            "retry_on_crash": old.retry_on_crash,
            "on_error": old.on_error,  # type: ignore[typeddict-item]  # the record of a function, described already
            "on": None if old.site is None else old.site.on,
            # Another place has workers of its own.
            "workers": None if old.site is None or options.get("on", old.site.on) != old.site.on else old.site.workers,
        }
        return replace(self, function=describe(old.fn, **(stay | _known(options))))

    if not TYPE_CHECKING:
        map, partial = _by_name(map), _by_name(partial)

        def iter(self, /, *args: object, **kwargs: object) -> NoReturn:
            raise TaskError(
                f"`iter` needs a generator; task '{self.name}' is not a generator function: use `yield` in it and "
                "annotate it `-> Iterator[T]`"
            )

        def __getattr__(self, name: str) -> NoReturn:
            if name in _OF_FUTURES:
                raise AttributeError(
                    f"`{name}` belongs to futures; '{self.name}' is a task: call it first, or use `.iter` or `.map`",
                    name=name,
                    obj=self,
                )
            raise AttributeError(f"{type(self).__name__!r} object has no attribute {name!r}", name=name, obj=self)


class Task(BaseTask[P, R_co]):
    """A task on a plain or `async def` function: `Task[[parameters], result]`."""


class PartialTask(BaseTask[P, R_co]):
    """A task with some of its parameters fixed."""


class StreamTask(Task[P, list[T]], Generic[P, T]):
    """A task on a generator: `.iter(...)` streams its items, a direct call gives the list of them."""

    def iter(self, /, *args: P.args, **kwargs: P.kwargs) -> IterFuture[T]:
        """The items as a lazy stream: the generator runs in the coordinator, each item is sent on as it is yielded.

        Raises `ParameterError` for arguments that do not fit, and for a task with a `timeout`, `retry_on_crash=False`,
        an `on` for workers or an `on_error`, which cannot be kept there.

        >>> from collections.abc import Iterator
        >>> @task
        ... def numbers(n: int) -> Iterator[int]:
        ...     yield from range(n)
        >>> numbers.iter(n=3).run(runtime="inline")
        [0, 1, 2]
        """
        if asked := self.function.wants_worker:
            raise ParameterError(
                f"task '{self.name}' has {asked}, which `.iter` cannot keep: "
                "its generator runs in the coordinator; set them on the tasks behind it, or call the task directly"
            )
        refuse_on_error(self.function, "iter", "a generator that has failed cannot go on")
        return IterFuture(IterNode(bind_call(self, args, kwargs)))

    def iter_partitions(
        self, partitions: Iterable[Mapping[str, object]] | Future[Iterable[Mapping[str, object]]], /
    ) -> MapTaskFuture[T]:
        """The items of one call for each partition, in the order of the partitions; the generators run on workers.

        Each partition holds arguments by name: `rows.iter_partitions([{"path": "a.csv"}, {"path": "b.csv"}])`. The
        items are numbered from 0 through all of them. A partition whose worker died runs again, so calling it twice
        should give the same items. Raises `ParameterError` for a partition that does not fit.
        """
        return MapTaskFuture(partitioned(self, partitions))

    def partial(self, /, **fixed: Any) -> PartialStreamTask[..., T]:
        """The same generator task with some parameters fixed."""
        return PartialStreamTask(self.function, fix(self, fixed))

    if not TYPE_CHECKING:
        partial = _by_name(partial)


class PartialStreamTask(StreamTask[P, T], PartialTask[P, list[T]]):
    """A generator task with some of its parameters fixed."""


class TaskDecorator(Protocol):
    """What `task(name=..., ...)` gives: a decorator with these options."""

    @overload
    def __call__(self, fn: Callable[P, Coroutine[Any, Any, R]], /) -> Task[P, R]: ...
    @overload
    def __call__(self, fn: Callable[P, AsyncIterator[T]], /) -> StreamTask[P, T]: ...
    @overload
    def __call__(self, fn: Callable[P, Iterator[T]], /) -> StreamTask[P, T]: ...
    @overload
    def __call__(self, fn: Callable[P, R], /) -> Task[P, R]: ...


@overload
def task(fn: Callable[P, Coroutine[Any, Any, R]], /, **options: Unpack[TaskOptions]) -> Task[P, R]: ...
@overload
def task(fn: Callable[P, AsyncIterator[T]], /, **options: Unpack[TaskOptions]) -> StreamTask[P, T]: ...
@overload
def task(fn: Callable[P, Iterator[T]], /, **options: Unpack[TaskOptions]) -> StreamTask[P, T]: ...
@overload
def task(fn: Callable[P, R], /, **options: Unpack[TaskOptions]) -> Task[P, R]: ...
@overload
def task(**options: Unpack[TaskOptions]) -> TaskDecorator: ...
def task(fn: Any = _NOT_GIVEN, /, **options: Unpack[TaskOptions]) -> Any:
    """Make a task of a function: plain, `async def`, generator or async generator.

    The function itself stays as it is; it is the `fn` of the task.
    `name` is shown in plans and errors (default: the function's own). `retries` is how many further attempts follow an
    attempt that raised an `Exception` or was over its `timeout`, at once; a `daglite.Retry` waits before them and says
    which errors are meant. For a generator they cover a direct call, and with `.iter` only the time until the first
    item is out. `timeout` is the most seconds one attempt may take on a worker, its waiting for a worker not counted;
    the worker is killed, and after the last attempt the run ends with `TaskTimeoutError`. `retry_on_crash=False`: a
    call whose worker died is not started again, the run ends with `WorkerDiedError`.

    `on_error` is what becomes of an item when its last attempt raised an `Exception`, was over its time limit, or ended
    its worker: "raise" ends the run, "skip" drops the item, and a function (or task) that takes a `daglite.Failed` and
    returns what the task would gives the result. See `max_failures` of `run`, and `.attempt` to keep failed items.

    `on` is where calls run: "processes", "threads" (for tasks that wait; `async def` ones share one event loop) or
    "coordinator"; None leaves it to the run. `workers` is how many calls are under way there at once (default: as many
    as the run has workers there). In a run with `runtime="inline"` all calls are in the coordinator.

    Raises `TaskError` when `fn` is not callable, `ParameterError` for option values that are not allowed.

    >>> @task
    ... def double(x: int) -> int:
    ...     return x * 2
    >>> double(x=4).run(runtime="inline")
    8
    """
    if fn is _NOT_GIVEN:
        # The options are checked where they are given, not where the decorator meets its function.
        describe(task, **_known(options))
        return functools.partial(_make, **options)
    return _make(fn, **options)


def _make(fn: Callable[..., object], **options: Unpack[TaskOptions]) -> Bindable:
    if isinstance(fn, Bindable):
        raise TaskError(f"{fn!r} is a task already; use `.with_options(...)` to change its options")
    if inspect.isclass(fn) and issubclass(fn, BaseException):
        raise TaskError(f"`task` needs a function; got the exception class {fn.__name__!r}")
    function = describe(fn, **_known(options))
    return StreamTask(function) if function.streams else Task(function)


def _known(options: TaskOptions) -> TaskOptions:
    """The options, when all of them have names that exist."""
    known = TaskOptions.__annotations__
    for name in options:
        if name not in known:
            raise ParameterError(f"tasks have no option '{name}'; known: {', '.join(known)}{suggest(name, known)}")
    return options
