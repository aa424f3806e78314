"""Futures: typed, lazy builders of pipelines. Each holds one ir node; nothing runs until `.run()`."""

from __future__ import annotations

import functools
import inspect
import os
from abc import ABC
from collections.abc import Callable
from enum import Enum
from typing import TYPE_CHECKING, Any, Concatenate, Generic, NoReturn, Protocol, Self, TypeAlias, cast, overload

from typing_extensions import ParamSpec, TypeVar, Unpack

from daglite.binding import (
    Bindable,
    Pipeline,
    argument_of,
    bind_items,
    check_named,
    fix,
    known_parameters,
    refuse_on_error,
    require_task,
)
from daglite.compile import compile
from daglite.datasets.store import DatasetStore
from daglite.exceptions import ParameterError, TaskError
from daglite.failed import Failed
from daglite.functions import describe_pair, free_parameters
from daglite.ir.nodes import (
    Binding,
    Call,
    Combine,
    CompositeMapTaskNode,
    CompositeTaskNode,
    FilterNode,
    IterNode,
    JoinNode,
    MapTaskNode,
    Node,
    ReduceNode,
    SaveNode,
    TakeNode,
    TaskNode,
)
from daglite.keys import parse_key
from daglite.options import RunOptions, Save, Store, check_count
from daglite.records import replace

__all__ = [
    "Absent",
    "CombineStep",
    "Future",
    "Items",
    "IterFuture",
    "MapTaskFuture",
    "ReduceFuture",
    "ReduceStep",
    "TaskFuture",
    "ref",
]

P = ParamSpec("P")
T = TypeVar("T")
U = TypeVar("U")
V = TypeVar("V")
W = TypeVar("W")
A = TypeVar("A")
R_co = TypeVar("R_co", covariant=True)
T_contra = TypeVar("T_contra", contravariant=True)


class Future(Pipeline, ABC, Generic[R_co]):
    """A value that does not exist yet; `R` is what `.run()` returns."""

    def run(self, **options: Unpack[RunOptions]) -> R_co:
        """Compile and run; the options are those of `Plan.run`."""
        return compile(self).run(**options)

    async def run_async(self, **options: Unpack[RunOptions]) -> R_co:
        """Compile and run on a helper thread, awaiting the result; cancelling ends the run."""
        return await compile(self).run_async(**options)

    def save(self, key: str, *, save_store: Store | str | os.PathLike[str] | None = None) -> Self:
        """The same pipeline, kept under `key` in `save_store` (a store or a folder) when it runs.

        On streams the key holds `{iteration_index}`, the index of the item from 0; it may also name any parameter of
        the call. Without `save_store` it goes to the store of the run. Raises `ParameterError` for a malformed
        template or an unknown name.
        """
        call, items = _call_of(self.node)
        template = parse_key(
            key, known=known_parameters(call, items), indexed=isinstance(self, Items), task=call.function.name
        )
        return type(self)(SaveNode(self.node, Save(template, _store(save_store))))

    def __repr__(self) -> str:
        call, _ = _call_of(self.node)
        return f"{type(self).__name__}({call.function.name})"

    def _repr_html_(self) -> str:
        """What a notebook shows: one line. Nothing runs for it."""
        shown = repr(self).replace("&", "&amp;").replace("<", "&lt;")
        return f"<code>{shown}</code> has not run: <code>.run()</code> it, or <code>daglite.compile(...)</code> it"

    if not TYPE_CHECKING:

        def _no_value(self, *_: object) -> NoReturn:
            raise TypeError(f"{self!r} has no value yet: run it (`.run()`) or compile it (`daglite.compile(...)`)")

        __bool__ = __len__ = __iter__ = __contains__ = __getitem__ = __await__ = _no_value
        __hash__ = object.__hash__
        __eq__ = object.__eq__


class TaskFuture(Future[R_co]):
    """The value of one call."""

    def then(
        self, task: Callable[Concatenate[R_co, P], TaskFuture[U]], /, *args: P.args, **kwargs: P.kwargs
    ) -> TaskFuture[U]:
        """Give the value to `task`, in the first parameter that nothing else fills."""
        return TaskFuture(_apply("then", self.node, task, args, kwargs))


class ReduceFuture(Future[R_co]):
    """The value of a fold over a stream."""

    def then(
        self, task: Callable[Concatenate[R_co, P], TaskFuture[U]], /, *args: P.args, **kwargs: P.kwargs
    ) -> TaskFuture[U]:
        """Give the value to `task`, in the first parameter that nothing else fills."""
        return TaskFuture(_apply("then", self.node, task, args, kwargs))


class ReduceStep(Protocol[A, T_contra]):
    """A task that folds: from an accumulator and an item to the next accumulator."""

    def __call__(self, acc: A, item: T_contra, /) -> TaskFuture[A]: ...


# What puts two accumulators together: a task, or a plain function.
CombineStep: TypeAlias = ReduceStep[A, A] | Callable[[A, A], A]


class Absent(Enum):
    """What `empty` is when it is not given: any value, None too, could be meant."""

    ABSENT = "ABSENT"


ABSENT = Absent.ABSENT


def _asked_for_initial(reduce: Callable[..., object]) -> Callable[..., object]:
    """`reduce` at run time: what is missing or misspelt is told as everywhere, not by Python."""
    known = [p.name for p in inspect.signature(reduce).parameters.values() if p.kind is p.KEYWORD_ONLY]

    @functools.wraps(reduce)
    def asked(stream: Items[object], /, *given: object, **options: object) -> object:
        if given:
            task = _task(given[0], "reduce")
            check_named("reduce", task, known, given[1:], options)
            if "initial" not in options:
                raise ParameterError(
                    f"`reduce` needs `initial`; got none for task '{task.function.name}': "
                    f"write .reduce({task.function.name}, initial=...), the accumulator before the first item"
                )
        return reduce(stream, *given, **options)

    return asked


class Items(Future[list[T]]):
    """A stream of items of type `T`; the base of `IterFuture` and `MapTaskFuture`."""

    def then(
        self, task: Callable[Concatenate[T, P], TaskFuture[U]], /, *args: P.args, **kwargs: P.kwargs
    ) -> MapTaskFuture[U]:
        """Apply `task` to each item, on workers.

        The item fills the first parameter that `.partial()` and the extras leave free. Raises `ParameterError` for
        extras that do not fit and `TaskError` when `task` is not a task.
        """
        call, items = bind_items(_task(task, "then"), "then", 1, args, kwargs)
        return MapTaskFuture(MapTaskNode(call, (Binding(items[0], self.node),), "zip"))

    @overload
    def attempt(
        self: Items[V | Failed[W]],
        task: Callable[Concatenate[V, P], TaskFuture[U]],
        /,
        *args: P.args,
        **kwargs: P.kwargs,
    ) -> MapTaskFuture[U | Failed[W | V]]: ...
    @overload
    def attempt(
        self, task: Callable[Concatenate[T, P], TaskFuture[U]], /, *args: P.args, **kwargs: P.kwargs
    ) -> MapTaskFuture[U | Failed[T]]: ...
    def attempt(self, task: Any, /, *args: Any, **kwargs: Any) -> Any:
        """Apply `task` to each item, as `.then` does; an item at which it fails goes on as a `Failed`.

        A `Failed` that comes in goes by, so attempts can follow each other. It takes the place of the task's own
        `on_error`.
        """
        found = _task(task, "attempt")
        found = Bindable(replace(found.function, on_error="keep"), found.fixed)
        call, items = bind_items(found, "attempt", 1, args, kwargs)
        return MapTaskFuture(MapTaskNode(call, (Binding(items[0], self.node),), "zip"))

    def filter(
        self, task: Callable[Concatenate[T, P], TaskFuture[bool]], /, *args: P.args, **kwargs: P.kwargs
    ) -> MapTaskFuture[T]:
        """Keep the items for which `task` gives something true; it runs on workers.

        The item fills a parameter as in `.then`. What is dropped leaves a gap: the items that are kept keep their
        index, in the keys of saves and in failures. Raises `ParameterError` for extras that do not fit and `TaskError`
        when `task` is not a task, or one that yields items.
        """
        found = _task(task, "filter")
        if found.function.streams:
            raise TaskError(
                f"`filter` needs a task that returns True or False; '{found.function.name}' is a generator, whose "
                "list of items would be asked; give a task that returns a bool"
            )
        call, items = bind_items(found, "filter", 1, args, kwargs)
        return MapTaskFuture(FilterNode(call, self.node, items[0]))

    def take(self, n: int, /) -> Self:
        """The first `n` items. Nothing behind them is asked for: the source is closed when it has given them.

        Behind a filter the stream is over when `n` items have passed; with an unordered ending it is the first `n` that
        arrive. Raises `ParameterError` when `n` is not a whole number >= 0.
        """
        check_count("n` of `take", n, least=0)
        return type(self)(TakeNode(self.node, n))

    def join(
        self, task: Callable[Concatenate[list[T], P], TaskFuture[U]], /, *args: P.args, **kwargs: P.kwargs
    ) -> TaskFuture[U]:
        """Collect all items and give the list to `task`, in the coordinator."""
        found = _task(task, "join")
        refuse_on_error(found.function, "join", "its value cannot be left out", handler=True)
        call, items = bind_items(found, "join", 1, args, kwargs)
        return TaskFuture(JoinNode(call, self.node, items[0]))

    def reduce(
        self,
        task: ReduceStep[A, T],
        /,
        *,
        initial: A,
        ordered: bool = True,
        combine: CombineStep[A] | None = None,
        empty: A | Absent = ABSENT,
    ) -> ReduceFuture[A]:
        """Fold the items in the coordinator, keeping one accumulator: `initial`, then `task(accumulator, item)`.

        `initial` is copied deeply at each run. `ordered=False` folds items as they complete; use it for folds that
        are commutative and associative.

        With `combine`, a function or task of two accumulators, workers fold their own batches and only the parts
        travel: the part of the first batch starts from `initial`, every other one from `empty`, and the coordinator
        puts neighbours together, `combine(part, next part)`. The result is that of the fold in order whenever putting
        together is folding on: `combine(fold(a, xs), fold(empty, ys)) == fold(a, xs + ys)`. For that `combine` must be
        associative, with `ordered=False` commutative too, and `combine(a, empty) == a`. Without `empty` it is looked
        for: an empty container, 0, 1 or "" of the type of `initial`, or `initial` itself, whichever `combine` is seen
        to leave out; the run raises `ParameterError` when none is.
        """
        found = _task(task, "reduce")
        if found.function.needs_worker:
            raise ParameterError(
                f"task '{found.function.name}' has a `timeout` or `retry_on_crash=False`, which `reduce` cannot keep: "
                "a fold runs in the coordinator; set them on the tasks before it"
            )
        refuse_on_error(found.function, "reduce", "nobody knows how far the accumulator has come")
        if not isinstance(ordered, bool):
            raise ParameterError(
                f"`ordered` of `reduce` with task '{found.function.name}' must be a bool; got {ordered!r}"
            )
        call, (accumulator, item) = bind_items(found, "reduce", 2, (), {})
        merge = _combine(found.function.name, combine, empty)
        start = argument_of(initial)
        return ReduceFuture(ReduceNode(call, self.node, accumulator, item, start, ordered, combine=merge))

    if not TYPE_CHECKING:
        reduce = _asked_for_initial(reduce)


class IterFuture(Items[T]):
    """The items of a generator task, streamed from the coordinator."""


class MapTaskFuture(Items[T]):
    """The results of a task applied to each item."""


def ref(future: Future[T], /) -> T:
    """The future itself, typed as its value: for checkers without the plugin, `gen.iter(n=ref(count()))`."""
    if not isinstance(future, Pipeline):
        raise TaskError(f"`ref` needs a future; got {future!r}; give a value as it is")
    return cast("T", future)


def _apply(method: str, node: Node, task: object, args: tuple[object, ...], kwargs: dict[str, object]) -> TaskNode:
    found = _task(task, method)
    refuse_on_error(found.function, method, "a single value cannot be left out", handler=True)
    call, items = bind_items(found, method, 1, args, kwargs)
    return TaskNode(Call(call.function, call.fixed, (Binding(items[0], node), *call.bound)))


def _combine(fold: str, given: object, empty: object) -> Combine | None:
    """The `combine` of a fold; a plain function is described as a task would be."""
    if given is None:
        if empty is not ABSENT:
            raise ParameterError(
                f"`empty` of `reduce` with task '{fold}' needs `combine`; without it nothing starts there"
            )
        return None
    if isinstance(given, Bindable) or (
        isinstance(given, functools.partial) and isinstance(_unpartial(given), Bindable)
    ):
        found = _task(given, "combine")
    elif callable(given):
        found = Bindable(describe_pair(given))
    else:
        raise ParameterError(
            f"`combine` of `reduce` with task '{fold}' must be a task or a function of two accumulators; got {given!r}"
        )
    if found.function.needs_worker:
        raise ParameterError(
            f"task '{found.function.name}' has a `timeout` or `retry_on_crash=False`, which `combine` cannot keep: "
            "it runs in the coordinator"
        )
    refuse_on_error(found.function, "combine", "no part can be left out")
    call, items = bind_items(found, "combine", 2, (), {})
    return Combine(call, items, None if empty is ABSENT else argument_of(empty))


def _task(given: object, method: str) -> Bindable:
    """The task, also from `functools.partial(task, ...)`: its values are fixed in the order of the parameters."""
    if not isinstance(given, functools.partial) or not isinstance(inner := _unpartial(given), Bindable):
        return require_task(given, method)
    names = free_parameters(inner.function, [*(b.name for b in inner.fixed), *given.keywords])
    if len(given.args) > len(names):
        raise ParameterError(
            f"functools.partial gives {len(given.args)} values to task '{inner.function.name}', "
            f"which takes {len(names)}"
        )
    named = dict(zip(names, given.args, strict=False)) | given.keywords
    return Bindable(inner.function, fix(inner, named))


def _unpartial(given: functools.partial[object]) -> object:
    return inspect.unwrap(given.func)


def _store(given: Store | str | os.PathLike[str] | None) -> Store | None:
    if given is None or isinstance(given, Store):
        return given
    if isinstance(given, str | os.PathLike):
        return DatasetStore(given)
    raise ParameterError(f"`save_store` must be a store or a folder; got {given!r}")


def _call_of(node: Node) -> tuple[Call, tuple[str, ...]]:
    """The call a future stands for, and the parameters of it that items fill."""
    while isinstance(node, SaveNode | TakeNode):
        node = node.source
    match node:
        case TaskNode() | IterNode():
            return node.call, ()
        case MapTaskNode():
            return node.call, tuple(binding.name for binding in node.sources)
        case ReduceNode():
            return node.call, (node.accumulator, node.item)
        case JoinNode() | FilterNode():
            return node.call, (node.item,)
        case CompositeMapTaskNode() | CompositeTaskNode():
            raise TypeError(f"{type(node).__name__} is made by compile, never held by a future")
