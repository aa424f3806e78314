"""The methods that fold a stream: `.reduce`, and the folds by name."""

from __future__ import annotations

from collections.abc import Callable
from enum import Enum
from typing import TYPE_CHECKING, Any, Protocol, TypeAlias, overload

from typing_extensions import TypeVar

from daglite.aggregations import (
    NOTHING,
    Total,
    add,
    add_counts,
    add_totals,
    count_one,
    greater,
    greatest_of,
    least_of,
    smaller,
    sum_of,
    value_of,
)
from daglite.annotations import read_signature
from daglite.binding import Bindable, argument_of, bind_items, refuse_on_error
from daglite.exceptions import ParameterError
from daglite.functions import Function, describe
from daglite.futures.applying import bind_fold, is_task, refuse_worker_options, requires_initial, task_of
from daglite.futures.values import Future, ReduceFuture, TaskFuture
from daglite.ir.nodes import Binding, Call, CombineCall, Node, ReduceNode, Value

T = TypeVar("T")
A = TypeVar("A")
D = TypeVar("D")
T_co = TypeVar("T_co", covariant=True)
T_contra = TypeVar("T_contra", contravariant=True)


class ReduceStep(Protocol[A, T_contra]):
    """A task that folds: it takes an accumulator and an item, and gives the next accumulator."""

    def __call__(self, acc: A, item: T_contra, /) -> TaskFuture[A]: ...


# A task or a plain function of two accumulators.
CombineStep: TypeAlias = ReduceStep[A, A] | Callable[[A, A], A]


class StreamOf(Protocol[T_co]):
    """A stream of items of a type, for methods that only some streams have."""

    @property
    def _one(self) -> T_co: ...


class Comparable(Protocol):
    """An object that can be compared with `<`."""

    def __lt__(self, other: Any, /) -> bool: ...


class Addable(Protocol):
    """An object that can be added to another."""

    def __add__(self, other: Any, /) -> Any: ...


class Missing(Enum):
    """The value of `empty` when it is not given: every other value, None too, may be meant."""

    ABSENT = "ABSENT"


ABSENT = Missing.ABSENT


class Foldable(Future[list[T]]):
    """A stream that can be folded."""

    if TYPE_CHECKING:

        @property
        def _one(self) -> T:
            """The type of the items; it has no value."""
            ...

    def reduce(
        self,
        task: ReduceStep[A, T],
        /,
        *,
        initial: A,
        ordered: bool = True,
        combine: CombineStep[A] | None = None,
        empty: A | Missing = ABSENT,
    ) -> ReduceFuture[A]:
        """Fold the items in the coordinator, with one accumulator: `initial`, then `task(accumulator, item)`.

        `initial` is copied deeply at each run. `ordered=False` folds items as they arrive; use it for folds that are
        commutative and associative.

        With `combine`, a function or task of two accumulators, each worker folds its own batches, and only the partial
        results travel. The partial result of the first batch starts from `initial`, every other one from `empty`, and
        the coordinator puts neighbours together: `combine(partial, next partial)`. The result is that of the fold in
        order if `combine(fold(a, xs), fold(empty, ys)) == fold(a, xs + ys)`. For that `combine` must be associative,
        with `ordered=False` commutative too, and `combine(a, empty) == a`. Without `empty` the run looks for it: an
        empty container, 0, 1 or "" of the type of `initial`, or `initial` itself, the first for which `combine(initial,
        empty) == initial`; it raises `ParameterError` when there is none.

        Raises `TaskError` when `task` is not a task, `ParameterError` when it does not take two values, for options
        that only a worker can keep, and for `empty` without `combine`.

        >>> from daglite import from_iterable, task
        >>> @task
        ... def longer(best: str, word: str) -> str:
        ...     return max(best, word, key=len)
        >>> from_iterable(["a", "ccc", "bb"]).reduce(longer, initial="").run(runtime="inline")
        'ccc'
        """
        call, items = bind_fold(task, "reduce", initial=initial, empty=empty)
        if not isinstance(ordered, bool):
            raise ParameterError(
                f"`ordered` of `reduce` with task '{call.function.name}' must be a bool; got {ordered!r}"
            )
        merge = _combine(call.function.name, combine, empty)
        start = argument_of(initial)
        return ReduceFuture(ReduceNode(call, self.node, items, start, ordered, combine=merge))

    if not TYPE_CHECKING:
        reduce = requires_initial(reduce)

    def count(self) -> ReduceFuture[int]:
        """Count the items."""
        return ReduceFuture(_named_fold("count", count_one, add_counts, 0, self.node, result="int"))

    def sum(self: StreamOf[Addable], start: T | int = 0) -> ReduceFuture[T]:
        """Add up `start` and the items; the value is `start` where there are none.

        Floats are added without rounding, and rounded once: the sum does not depend on how workers shared the items.
        """
        finish = Call(_plain(sum_of, "sum"), (), (Binding("start", argument_of(start)),))
        return ReduceFuture(_named_fold("sum", add, add_totals, Total(), _node_of(self), finish=finish))

    @overload
    def min(self: StreamOf[Comparable]) -> ReduceFuture[T]: ...
    @overload
    def min(self: StreamOf[Comparable], *, default: D) -> ReduceFuture[T | D]: ...
    @overload
    def min(self, *, key: Callable[[T], Comparable]) -> ReduceFuture[T]: ...
    @overload
    def min(self, *, key: Callable[[T], Comparable], default: D) -> ReduceFuture[T | D]: ...
    def min(
        self: StreamOf[object], *, key: Callable[[Any], Any] | None = None, default: object = NOTHING
    ) -> ReduceFuture[Any]:
        """Find the least item, or the one with the least `key(item)`, a plain function; the first of equal ones.

        A stream without items has the value `default`; without a `default` the run raises `ValueError`.
        """
        return ReduceFuture(_best("min", smaller, least_of, _node_of(self), key, default))

    @overload
    def max(self: StreamOf[Comparable]) -> ReduceFuture[T]: ...
    @overload
    def max(self: StreamOf[Comparable], *, default: D) -> ReduceFuture[T | D]: ...
    @overload
    def max(self, *, key: Callable[[T], Comparable]) -> ReduceFuture[T]: ...
    @overload
    def max(self, *, key: Callable[[T], Comparable], default: D) -> ReduceFuture[T | D]: ...
    def max(
        self: StreamOf[object], *, key: Callable[[Any], Any] | None = None, default: object = NOTHING
    ) -> ReduceFuture[Any]:
        """Find the greatest item, or the one with the greatest `key(item)`, a plain function; the first of equal ones.

        A stream without items has the value `default`; without a `default` the run raises `ValueError`.
        """
        return ReduceFuture(_best("max", greater, greatest_of, _node_of(self), key, default))


def _named_fold(
    name: str,
    fold: Callable[..., object],
    combine: Callable[..., object],
    empty: object,
    source: Node,
    *,
    extras: tuple[Binding, ...] = (),
    finish: Call | None = None,
    result: str = "?",
) -> ReduceNode:
    """Return a fold of daglite's own, with its `combine`; both start from `empty`.

    `finish` makes the value of the last accumulator; `extras` are further arguments of `fold`.
    """
    accumulator, item = list(read_signature(fold).parameters)[:2]
    merge = Call(_plain(combine, name, result), (), ())
    parts = CombineCall(merge, tuple(read_signature(combine).parameters), Value(empty), named=True)
    call = Call(_plain(fold, name, result), (), extras)
    return ReduceNode(call, source, (accumulator, item), Value(empty), True, combine=parts, finish=finish)


def _plain(fn: Callable[..., object], name: str, result: str = "?") -> Function:
    return Function(fn, name, "plain", 0, result)


def _best(
    name: str,
    fold: Callable[..., object],
    combine: Callable[..., object],
    source: Node,
    key: object,
    default: object,
) -> ReduceNode:
    if key is not None and (is_task(key) or not callable(key)):
        given = "a task, which gives futures: give the function it is made of" if is_task(key) else repr(key)
        raise ParameterError(f"`key` of `{name}` must be a plain function of one item; got {given}")
    extras = () if key is None else (Binding("key", Value(key)),)
    options = [
        Binding("name", Value(name)),
        *([] if default is NOTHING else [Binding("default", argument_of(default))]),
    ]
    finish = Call(_plain(value_of, name), (), tuple(options))
    return _named_fold(name, fold, combine, NOTHING, source, extras=extras, finish=finish)


def _node_of(stream: object) -> Node:
    assert isinstance(stream, Foldable)
    return stream.node


def _combine(fold: str, given: object, empty: object) -> CombineCall | None:
    """Bind the `combine` of a fold; a plain function is described as a task would be."""
    if given is None:
        if empty is not ABSENT:
            raise ParameterError(
                f"`empty` of `reduce` with task '{fold}' needs `combine`; without it nothing starts there"
            )
        return None
    if is_task(given):
        found = task_of(given, "combine")
    elif callable(given):
        found = Bindable(describe(given))
    else:
        raise ParameterError(
            f"`combine` of `reduce` with task '{fold}' must be a task or a function of two accumulators; got {given!r}"
        )
    refuse_worker_options(found.function, "combine")
    refuse_on_error(found.function, "combine", "no part can be left out")
    call, items = bind_items(found, "combine", 2, (), {})
    return CombineCall(call, items, None if empty is ABSENT else argument_of(empty))
