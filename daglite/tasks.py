"""Tasks: typed functions with options; calling one builds a future and runs nothing."""

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

# None may be given by mistake, which is an error.
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
    """Wrap `map` or `partial`, so that values by position raise `ParameterError` with what to write."""
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
    """The base of all tasks: calling, mapping, fixing parameters, changing options."""

    def __repr__(self) -> str:
        fixed = "".join(f", {binding.name}=..." for binding in self.fixed)
        return f"{type(self).__name__}({self.function.name}{fixed})"

    @property
    def fn(self) -> Callable[..., R_co]:
        """The plain function, unchanged."""
        return self.function.fn  # type: ignore[return-value]

    @property
    def name(self) -> str:
        """The name shown in plans and errors."""
        return self.function.name

    @property
    def retries(self) -> int:
        """The number of further attempts after one that raised an `Exception`."""
        return self.function.retries

    def __call__(self, /, *args: P.args, **kwargs: P.kwargs) -> TaskFuture[R_co]:
        """Return the future of one call; raises `ParameterError` for arguments that do not fit."""
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
        """Call the task for each value of the mapped parameters, zipped or as a product, whose last parameter changes
        fastest.

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
        """Return the task with some parameters fixed; a future as a fixed value is evaluated once, before.

        Raises `ParameterError` for names that the task does not have, or that are fixed already.
        """
        return PartialTask(self.function, fix(self, fixed))

    def with_options(self, **options: Unpack[TaskOptions]) -> Self:
        """Return the task with other options; those that are not given stay. Options and errors are those of `task`."""
        old = self.function
        stay: TaskOptions = {
            "name": old.name,
            "retries": old.retries if old.retry is None else old.retry,
            "timeout": old.timeout,
            "retry_on_crash": old.retry_on_crash,
            "on_error": old.on_error,  # type: ignore[typeddict-item]  # the record of a function, described already
            "on": None if old.site is None else old.site.on,
            # Another place has other workers.
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
    """A task on a generator: `.iter(...)` streams its items, a direct call collects them in a list."""

    def iter(self, /, *args: P.args, **kwargs: P.kwargs) -> IterFuture[T]:
        """Stream the items: the generator runs in the coordinator, and each item is sent on as it is yielded.

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
                "its generator runs in the coordinator; set them on the tasks after it, or call the task directly"
            )
        refuse_on_error(self.function, "iter", "a generator that has failed cannot go on")
        return IterFuture(IterNode(bind_call(self, args, kwargs)))

    def iter_partitions(
        self, partitions: Iterable[Mapping[str, object]] | Future[Iterable[Mapping[str, object]]], /
    ) -> MapTaskFuture[T]:
        """Stream the items of one call for each partition, in the order of the partitions; the generators run on
        workers.

        A partition is a mapping of arguments by name. The items are numbered from 0 through all partitions. A partition
        whose worker died runs again, so a second call should yield the same items. Raises `ParameterError` for a
        partition that does not fit.

        >>> from collections.abc import Iterator
        >>> @task
        ... def rows(start: int, stop: int) -> Iterator[int]:
        ...     yield from range(start, stop)
        >>> rows.iter_partitions([{"start": 0, "stop": 2}, {"start": 7, "stop": 8}]).run(runtime="inline")
        [0, 1, 7]
        """
        return MapTaskFuture(partitioned(self, partitions))

    def partial(self, /, **fixed: Any) -> PartialStreamTask[..., T]:
        """Return the generator task with some parameters fixed."""
        return PartialStreamTask(self.function, fix(self, fixed))

    if not TYPE_CHECKING:
        partial = _by_name(partial)


class PartialStreamTask(StreamTask[P, T], PartialTask[P, list[T]]):
    """A generator task with some of its parameters fixed."""


class TaskDecorator(Protocol):
    """The decorator that `task(name=..., ...)` returns."""

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

    The function itself is not changed; it is the `fn` of the task.

    `name` is shown in plans and errors (default: the name of the function). `retries` is the number of further attempts
    after one that raised an `Exception` or exceeded its `timeout`, made at once; a `daglite.Retry` waits before them
    and selects errors. For a generator they cover a direct call, and with `.iter` only the time until its first item.
    `timeout` is the maximum of seconds that one attempt may take on a worker, without the wait for a worker; the worker
    is killed then, and after the last attempt the run raises `TaskTimeoutError`. With `retry_on_crash=False` a call
    whose worker died is not started again, and the run raises `WorkerDiedError`.

    `on_error` says what happens to an item when its last attempt raised an `Exception`, exceeded its time limit, or
    ended its worker: "raise" ends the run, "skip" drops the item, and a function (or task) that takes a
    `daglite.Failed` returns a result in its place. See `max_failures` of `run`, and `.attempt` to keep failed items.

    `on` says where calls run: "processes", "threads" (for tasks that wait; `async def` tasks share one event loop) or
    "coordinator"; None leaves it to the run. `workers` is the number of concurrent calls there (default: the number of
    workers that the run has there). With `runtime="inline"` all calls run in the coordinator.

    Raises `TaskError` when `fn` is not callable, `ParameterError` for option values that are not allowed.

    >>> @task
    ... def double(x: int) -> int:
    ...     return x * 2
    >>> double(x=4).run(runtime="inline")
    8
    """
    if fn is _NOT_GIVEN:
        # The options are checked where they are given, not where the decorator is applied.
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
    """Return the options; raise `ParameterError` for an unknown name."""
    known = TaskOptions.__annotations__
    for name in options:
        if name not in known:
            raise ParameterError(f"tasks have no option '{name}'; known: {', '.join(known)}{suggest(name, known)}")
    return options
