"""Futures of streams, and the methods that go on with their items."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import TYPE_CHECKING, Any, Concatenate, Self, overload

from typing_extensions import ParamSpec, TypeVar

from daglite.binding import Bindable, Pipeline, argument_of, bind_items, refuse_futures_in, refuse_on_error
from daglite.exceptions import ParameterError, TaskError
from daglite.failed import Failed
from daglite.functions import Function
from daglite.futures.applying import bind_fold, bind_in_coordinator, requires_initial, requires_task, task_of
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
        extras that do not fit, and `TaskError` when `task` is not a task.

        >>> from daglite import from_iterable, task
        >>> @task
        ... def scale(x: int, by: int) -> int:
        ...     return x * by
        >>> from_iterable([1, 2, 3]).then(scale, by=10).run(runtime="inline")
        [10, 20, 30]
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

        A `Failed` among the items goes on unchanged, so attempts can follow each other. The `on_error` of the task has
        no effect here. Errors are raised as by `.then`.

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
        """Keep the items for which `task` returns something true; it runs on workers.

        The item fills a parameter as in `.then`. Dropped items leave gaps: the others keep their index, in the keys of
        saves and in failures. Raises `ParameterError` for extras that do not fit, and `TaskError` when `task` is not a
        task, or is a generator.

        >>> from daglite import from_iterable, task
        >>> @task
        ... def is_even(x: int) -> bool:
        ...     return x % 2 == 0
        >>> from_iterable(range(5)).filter(is_even).run(runtime="inline")
        [0, 2, 4]
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
        """Apply `task` to each item, and pass on what each result holds: `.then(task).unbatch()`.

        The task returns an iterable, or is a generator; it runs on workers, and long results come back in chunks. The
        item fills a parameter as in `.then`. The outputs are numbered from 0.
        """
        call, items = bind_items(task_of(task, "flat_map"), "flat_map", 1, args, kwargs)
        return MapTaskFuture(operation_node("unbatch", MapTaskNode(call, (Binding(items[0], self.node),), "zip")))

    def take(self, n: int) -> Self:
        """Take the first `n` items. No more are asked for: the source is closed when it has given them.

        After a filter the stream ends when `n` items have passed; with an unordered sink these are the first `n` to
        arrive. Raises `ParameterError` when `n` is not a whole number >= 0.

        >>> from itertools import count
        >>> from daglite import from_iterable
        >>> from_iterable(count()).take(3).run(runtime="inline")
        [0, 1, 2]
        """
        check_count("n` of `take", n, least=0)
        return type(self)(TakeNode(self.node, n))

    def skip(self, n: int) -> MapTaskFuture[T]:
        """Skip the first `n` items; the others are numbered from 0.

        The tasks before it are called with the skipped items too. Raises `ParameterError` when `n` is not a whole
        number >= 0.
        """
        check_count("n` of `skip", n, least=0)
        return MapTaskFuture(operation_node("skip", self.node, n=n))

    def take_while(
        self, task: Callable[Concatenate[T, P], TaskFuture[bool]], /, *args: P.args, **kwargs: P.kwargs
    ) -> MapTaskFuture[T]:
        """Take the items before the first for which `task` returns something false; the source is closed then.

        The task runs in the coordinator, one item after the other; the item fills a parameter as in `.then`. Raises
        `TaskError` and `ParameterError` as `.filter` does, and `ParameterError` for options that only a worker can
        keep.
        """
        asked = bind_in_coordinator(task, "take_while", "True or False", args, kwargs)
        return MapTaskFuture(operation_node("take_while", self.node, asked))

    def batch(self, n: int) -> MapTaskFuture[list[T]]:
        """Make lists of `n` items; the last one may be shorter.

        Raises `ParameterError` when `n` is not a whole number >= 1.

        >>> from daglite import from_iterable
        >>> from_iterable("abc").batch(2).run(runtime="inline")
        [['a', 'b'], ['c']]
        """
        check_count("n` of `batch", n, least=1)
        return MapTaskFuture(operation_node("batch", self.node, n=n))

    def unbatch(self: StreamOf[Iterable[U]]) -> MapTaskFuture[U]:
        """Pass on what each item holds, one after the other: the reverse of `.batch`.

        >>> from daglite import from_iterable
        >>> from_iterable([[1, 2], [], [3]]).unbatch().run(runtime="inline")
        [1, 2, 3]
        """
        return MapTaskFuture(operation_node("unbatch", _node_of(self)))

    def window(self, n: int, step: int = 1) -> MapTaskFuture[list[T]]:
        """Make lists of `n` neighbours, one that begins at every `step`-th item; full lists only.

        Raises `ParameterError` when `n` or `step` is not a whole number >= 1.

        >>> from daglite import from_iterable
        >>> from_iterable(range(4)).window(2).run(runtime="inline")
        [[0, 1], [1, 2], [2, 3]]
        """
        check_count("n` of `window", n, least=1)
        check_count("step` of `window", step, least=1)
        return MapTaskFuture(operation_node("window", self.node, n=n, step=step))

    def enumerate(self) -> MapTaskFuture[tuple[int, T]]:
        """Pair each item with its number before it, from 0; items that were dropped before do not count."""
        return MapTaskFuture(operation_node("enumerate", self.node))

    def zip(self, other: Items[U], /) -> MapTaskFuture[tuple[T, U]]:
        """Pair each item with the one of `other` in the same place; the stream ends with the shorter one.

        Both streams are pulled in turn and stay bounded. Raises `TaskError` when `other` is not a stream.

        >>> from daglite import from_iterable
        >>> from_iterable("ab").zip(from_iterable([1, 2, 3])).run(runtime="inline")
        [('a', 1), ('b', 2)]
        """
        if not isinstance(other, Items):
            raise TaskError(f"`zip` needs another stream; got {other!r}; make one of it: daglite.from_iterable(...)")
        return MapTaskFuture(operation_node("zip", self.node, operand=other.node))

    def distinct(
        self, key: Callable[[T], TaskFuture[object]] | None = None, *, limit: int = 1_000_000
    ) -> MapTaskFuture[T]:
        """Keep each item the first time it comes; with `key`, a task, the first item of each key.

        The coordinator keeps all items or keys in a set, so they must be hashable; `key` runs there. The run raises
        `ExecutionError` when there are more than `limit` of them.
        """
        check_count("limit` of `distinct", limit, least=1)
        asked = None if key is None else bind_in_coordinator(key, "distinct", "a key")
        return MapTaskFuture(operation_node("distinct", self.node, asked, limit=limit))

    def group_by(
        self, key: Callable[[T], TaskFuture[K]], /, *, limit: int | None = None
    ) -> MapTaskFuture[tuple[K, list[T]]]:
        """Collect neighbours with the same key in a list: pairs of the key and that list.

        `key` is a task; it runs in the coordinator, which keeps the group. The run raises `ExecutionError` when a group
        has more than `limit` items; without a limit a group may have any size.
        """
        if limit is not None:
            check_count("limit` of `group_by", limit, least=1)
        asked = bind_in_coordinator(key, "group_by", "a key")
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
        """Apply `task` to each item, on workers, for its side effects; the value is the number of items.

        Items, extras and errors are as for `.then`.
        """
        call, items = bind_items(task_of(task, "for_each"), "for_each", 1, args, kwargs)
        return MapTaskFuture[object](MapTaskNode(call, (Binding(items[0], self.node),), "zip")).count()

    def join(
        self, task: Callable[Concatenate[list[T], P], TaskFuture[U]], /, *args: P.args, **kwargs: P.kwargs
    ) -> TaskFuture[U]:
        """Collect all items and call `task` once with the list, in the coordinator.

        A task with `timeout`, `retry_on_crash=False` or an `on` for workers runs on a worker. The list fills the first
        parameter that is free. Raises as `.then` does, and `ParameterError` for a task with `on_error="skip"`.

        >>> from daglite import from_iterable, task
        >>> from_iterable([1, 2, 3]).join(task(lambda xs: sum(xs))).run(runtime="inline")
        6
        """
        found = task_of(task, "join")
        refuse_on_error(found.function, "join", "its value cannot be left out", handler=True)
        call, items = bind_items(found, "join", 1, args, kwargs)
        return TaskFuture(JoinNode(call, self.node, items))

    if not TYPE_CHECKING:
        scan = requires_initial(scan)
        then, attempt, filter, flat_map = map(requires_task, (then, attempt, filter, flat_map))
        take_while, group_by, for_each, join = map(requires_task, (take_while, group_by, for_each, join))


class IterFuture(Items[T]):
    """The items of a generator task, or of an iterable, streamed from the coordinator.

    >>> from daglite import from_iterable
    >>> from_iterable(["a", "b", "c"]).batch(2).run(runtime="inline")
    [['a', 'b'], ['c']]
    """


class MapTaskFuture(Items[T]):
    """The results of a task on each item, or the outputs of an operation."""


def from_iterable(items: Iterable[T], /) -> IterFuture[T]:
    """Make a stream of the items of a list, a range, an open file, a generator, or any other iterable.

    It is iterated in the coordinator, again at each run. An iterator can be read once: its plan runs once, a second run
    raises `ParameterError`, and it cannot be pickled. Raises `ParameterError` when `items` cannot be iterated.

    >>> from_iterable({"a": 1, "b": 2}).run(runtime="inline")
    ['a', 'b']
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
