"""Futures of streams, and what may be done with their items."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import TYPE_CHECKING, Any, Concatenate, Self, overload

from typing_extensions import ParamSpec, TypeVar

from daglite.binding import Bindable, Pipeline, argument_of, bind_items, refuse_futures_in, refuse_on_error
from daglite.exceptions import ParameterError, TaskError
from daglite.failed import Failed
from daglite.functions import Function
from daglite.futures.applying import asking, bind_fold, here, requires_initial, task_of
from daglite.futures.folds import Foldable, ReduceStep, StreamOf
from daglite.futures.values import ReduceFuture, TaskFuture
from daglite.ir.builders import operation_node
from daglite.ir.nodes import (
    Binding,
    Call,
    FilterNode,
    IterNode,
    JoinNode,
    MapTaskNode,
    Node,
    TakeNode,
    Value,
)
from daglite.iterables import each_of, once
from daglite.options import check_count
from daglite.records import replace

P = ParamSpec("P")
A = TypeVar("A")
T = TypeVar("T")
U = TypeVar("U")
V = TypeVar("V")
W = TypeVar("W")
K = TypeVar("K")


class Items(Foldable[T]):
    """A stream of items of type `T`; the base of `IterFuture` and `MapTaskFuture`."""

    _streams = True

    def then(
        self, task: Callable[Concatenate[T, P], TaskFuture[U]], /, *args: P.args, **kwargs: P.kwargs
    ) -> MapTaskFuture[U]:
        """Apply `task` to each item, on workers.

        The item fills the first parameter that `.partial()` and the extras leave free. Raises `ParameterError` for
        extras that do not fit and `TaskError` when `task` is not a task.
        """
        call, items = bind_items(task_of(task, "then"), "then", 1, args, kwargs)
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
        `on_error`. Errors are raised as by `.then`.

        >>> from daglite import from_iterable, task
        >>> from_iterable(["1", "x"]).attempt(task(lambda text: int(text), name="number")).run(runtime="inline")
        [1, Failed(task 'number', item 1, ValueError: invalid literal for int() with base 10: 'x')]
        """
        found = task_of(task, "attempt")
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
        found = task_of(task, "filter")
        if found.function.streams:
            raise TaskError(
                f"`filter` needs a task that returns True or False; '{found.function.name}' is a generator, whose "
                "list of items would be asked; give a task that returns a bool"
            )
        call, items = bind_items(found, "filter", 1, args, kwargs)
        return MapTaskFuture(FilterNode(call, self.node, items))

    def flat_map(
        self, task: Callable[Concatenate[T, P], TaskFuture[Iterable[U]]], /, *args: P.args, **kwargs: P.kwargs
    ) -> MapTaskFuture[U]:
        """What `task` gives for each item, one after the other: `.then(task).unbatch()`.

        The task returns something that can be iterated, or is a generator; it runs on workers, and what it gives comes
        back in pieces. The item fills a parameter as in `.then`. What comes out is numbered from 0.
        """
        call, items = bind_items(task_of(task, "flat_map"), "flat_map", 1, args, kwargs)
        return MapTaskFuture(operation_node("unbatch", MapTaskNode(call, (Binding(items[0], self.node),), "zip")))

    def take(self, n: int, /) -> Self:
        """The first `n` items. Nothing behind them is asked for: the source is closed when it has given them.

        Behind a filter the stream is over when `n` items have passed; with an unordered ending it is the first `n` that
        arrive. Raises `ParameterError` when `n` is not a whole number >= 0.
        """
        check_count("n` of `take", n, least=0)
        return type(self)(TakeNode(self.node, n))

    def skip(self, n: int, /) -> MapTaskFuture[T]:
        """All but the first `n` items, numbered from 0.

        The tasks before it are called with those that are left out, too. Raises `ParameterError` when `n` is not a
        whole number >= 0.
        """
        check_count("n` of `skip", n, least=0)
        return MapTaskFuture(operation_node("skip", self.node, n=n))

    def take_while(
        self, task: Callable[Concatenate[T, P], TaskFuture[bool]], /, *args: P.args, **kwargs: P.kwargs
    ) -> MapTaskFuture[T]:
        """The items before the first for which `task` gives something false; with that one the source is closed.

        It runs in the coordinator, one item after the other; the item fills a parameter as in `.then`. Raises
        `TaskError` and `ParameterError` as `.filter` does, and `ParameterError` for options that only a worker keeps.
        """
        asked = bind_items(here(task, "take_while", "True or False"), "take_while", 1, args, kwargs)
        return MapTaskFuture(operation_node("take_while", self.node, asked))

    def batch(self, n: int, /) -> MapTaskFuture[list[T]]:
        """Lists of `n` items in a row; the last one may be shorter. `ParameterError` when `n` is no number >= 1."""
        check_count("n` of `batch", n, least=1)
        return MapTaskFuture(operation_node("batch", self.node, n=n))

    def unbatch(self: StreamOf[Iterable[U]]) -> MapTaskFuture[U]:
        """What each item holds, one after the other: of a stream of lists the stream of what is in them."""
        return MapTaskFuture(operation_node("unbatch", _node_of(self)))

    def window(self, n: int, /, step: int = 1) -> MapTaskFuture[list[T]]:
        """Lists of `n` neighbours, one that begins at every `step`-th item; whole ones only.

        Raises `ParameterError` when `n` or `step` is not a whole number >= 1.
        """
        check_count("n` of `window", n, least=1)
        check_count("step` of `window", step, least=1)
        return MapTaskFuture(operation_node("window", self.node, n=n, step=step))

    def enumerate(self) -> MapTaskFuture[tuple[int, T]]:
        """Each item behind its number, from 0: of those that come here, whatever was dropped before."""
        return MapTaskFuture(operation_node("enumerate", self.node))

    def zip(self, other: Items[U], /) -> MapTaskFuture[tuple[T, U]]:
        """Each item with the one of `other` in its place; it ends with the shorter stream.

        Both are pulled in turn and stay bounded. Raises `TaskError` when `other` is not a stream.
        """
        if not isinstance(other, Items):
            raise TaskError(f"`zip` needs another stream; got {other!r}; make one of it: daglite.from_iterable(...)")
        return MapTaskFuture(operation_node("zip", self.node, operand=other.node))

    def distinct(
        self, key: Callable[[T], TaskFuture[object]] | None = None, *, limit: int = 1_000_000
    ) -> MapTaskFuture[T]:
        """Each item the first time it comes; with `key`, a task, the first of each key.

        What was seen is kept in the coordinator, where `key` runs: when it is more than `limit` the run raises
        `ExecutionError`. It must be hashable.
        """
        check_count("limit` of `distinct", limit, least=1)
        asked = None if key is None else bind_items(here(key, "distinct", "a key"), "distinct", 1, (), {})
        return MapTaskFuture(operation_node("distinct", self.node, asked, limit=limit))

    def group_by(
        self, key: Callable[[T], TaskFuture[K]], /, *, limit: int | None = None
    ) -> MapTaskFuture[tuple[K, list[T]]]:
        """Items in a row with the same key, as a list behind that key.

        `key` is a task; it runs in the coordinator, where the group is kept. The run raises `ExecutionError` when a
        group has more than `limit` items; without a limit it may be as large as it is.
        """
        if limit is not None:
            check_count("limit` of `group_by", limit, least=1)
        asked = bind_items(here(key, "group_by", "a key"), "group_by", 1, (), {})
        return MapTaskFuture(operation_node("group_by", self.node, asked, limit=limit))

    def scan(self, task: ReduceStep[A, T], /, *, initial: A) -> MapTaskFuture[A]:
        """Fold the items, and pass on the accumulator after each of them: `n` items give `n` accumulators.

        It is `initial`, then `task(accumulator, item)`, one item after the other, in the coordinator. `initial` itself
        is not passed on; it is copied deeply at each run. So is each accumulator as it is passed on: a task may change
        its accumulator in place. Raises `TaskError` and `ParameterError` as `.reduce` does.

        >>> from daglite import from_iterable, task
        >>> @task
        ... def add(total: int, x: int) -> int:
        ...     return total + x
        >>> from_iterable([1, 2, 3]).scan(add, initial=0).run(runtime="inline")
        [1, 3, 6]
        """
        asked = bind_fold(task, "scan", initial=initial)
        return MapTaskFuture(operation_node("scan", self.node, asked, operand=argument_of(initial)))

    def for_each(
        self, task: Callable[Concatenate[T, P], TaskFuture[object]], /, *args: P.args, **kwargs: P.kwargs
    ) -> ReduceFuture[int]:
        """Apply `task` to each item, on workers, for what it does, not for what it gives; the value is their number.

        Items, extras and errors are as for `.then`.
        """
        call, items = bind_items(task_of(task, "for_each"), "for_each", 1, args, kwargs)
        return MapTaskFuture[object](MapTaskNode(call, (Binding(items[0], self.node),), "zip")).count()

    def join(
        self, task: Callable[Concatenate[list[T], P], TaskFuture[U]], /, *args: P.args, **kwargs: P.kwargs
    ) -> TaskFuture[U]:
        """Collect all items and give the list to `task`, in the coordinator.

        A task with `timeout`, `retry_on_crash=False` or an `on` for workers gets it on a worker. The list fills the
        first parameter that nothing else fills. Raises as `.then` does, and `ParameterError` for a task with
        `on_error="skip"`.
        """
        found = task_of(task, "join")
        refuse_on_error(found.function, "join", "its value cannot be left out", handler=True)
        call, items = bind_items(found, "join", 1, args, kwargs)
        return TaskFuture(JoinNode(call, self.node, items))

    if not TYPE_CHECKING:
        scan = requires_initial(scan)
        then, attempt, filter, flat_map = asking(then), asking(attempt), asking(filter), asking(flat_map)
        take_while, group_by, for_each, join = asking(take_while), asking(group_by), asking(for_each), asking(join)


class IterFuture(Items[T]):
    """The items of a generator task, or of an iterable, streamed from the coordinator.

    >>> from daglite import from_iterable
    >>> from_iterable(["a", "b", "c"]).batch(2).run(runtime="inline")
    [['a', 'b'], ['c']]
    """


class MapTaskFuture(Items[T]):
    """The results of a task applied to each item, or what an operation has made of a stream."""


def from_iterable(items: Iterable[T], /) -> IterFuture[T]:
    """A stream of what is in `items`: of a list, a range, an open file, a generator, anything that can be iterated.

    It is iterated in the coordinator when the plan runs, at each run again. An iterator can be read once: its plan runs
    once, a second run raises `ParameterError`, and it cannot be pickled. Raises `ParameterError` when `items` cannot be
    iterated.
    """
    if isinstance(items, Bindable):
        raise TaskError(
            f"`from_iterable` needs values; got {items!r}; a generator task gives its items with `.iter(...)`"
        )
    if isinstance(items, Pipeline):
        raise TaskError(f"`from_iterable` needs values; got {items!r}; a stream goes on with `.then` and the like")
    if not isinstance(items, Iterable) and not hasattr(items, "__getitem__"):
        raise ParameterError(f"`from_iterable` needs something that can be iterated; got {items!r}")
    refuse_futures_in(items, "`from_iterable`", "map over what they are made of, and go on with `.then`")
    source = once(items) if isinstance(items, Iterator) else items
    function = Function(each_of, "from_iterable", "generator", 0, "?", stays=True)
    return IterFuture(IterNode(Call(function, (), (Binding("items", Value(source)),))))


def _node_of(stream: object) -> Node:
    assert isinstance(stream, Items)
    return stream.node
