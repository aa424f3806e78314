"""The endings that fold a stream: a fold of the user's, and those that have a name."""

from __future__ import annotations

import inspect
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
from daglite.binding import Bindable, argument_of, bind_items, refuse_on_error
from daglite.exceptions import ParameterError
from daglite.functions import Function, describe
from daglite.futures.applying import bind_fold, is_task, refuse_worker_options, requires_initial, task_of
from daglite.futures.values import Future, ReduceFuture, TaskFuture
from daglite.ir.nodes import Argument, Binding, Call, CombineCall, Node, ReduceNode, Value

T = TypeVar("T")
A = TypeVar("A")
D = TypeVar("D")
T_co = TypeVar("T_co", covariant=True)
T_contra = TypeVar("T_contra", contravariant=True)


class ReduceStep(Protocol[A, T_contra]):
    """A task that folds: from an accumulator and an item to the next accumulator."""

    def __call__(self, acc: A, item: T_contra, /) -> TaskFuture[A]: ...


# What puts two accumulators together: a task, or a plain function.
CombineStep: TypeAlias = ReduceStep[A, A] | Callable[[A, A], A]


class StreamOf(Protocol[T_co]):
    """A stream of such items, for methods that only some streams have."""

    @property
    def _one(self) -> T_co: ...


class Comparable(Protocol):
    """What has an order."""

    def __lt__(self, other: Any, /) -> bool: ...


class Addable(Protocol):
    """What can be added up."""

    def __add__(self, other: Any, /) -> Any: ...


class Missing(Enum):
    """What `empty` is when it is not given: any value, None too, could be meant."""

    ABSENT = "ABSENT"


ABSENT = Missing.ABSENT


class Foldable(Future[list[T]]):
    """A stream as something that can be folded."""

    if TYPE_CHECKING:

        @property
        def _one(self) -> T:
            """Nothing but a type."""
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

        Raises `TaskError` when `task` is not a task, `ParameterError` when it does not take two values, for options
        that only a worker keeps, and for `empty` without `combine`.

        >>> from daglite import from_iterable, task
        >>> @task
        ... def longer(best: str, word: str) -> str:
        ...     return max(best, word, key=len)
        >>> from_iterable(["a", "ccc", "bb"]).reduce(longer, initial="").run(runtime="inline")
        'ccc'
        """
        call, (accumulator, item) = bind_fold(task, "reduce", initial=initial, empty=empty)
        if not isinstance(ordered, bool):
            raise ParameterError(
                f"`ordered` of `reduce` with task '{call.function.name}' must be a bool; got {ordered!r}"
            )
        merge = _combine(call.function.name, combine, empty)
        start = argument_of(initial)
        return ReduceFuture(ReduceNode(call, self.node, accumulator, item, start, ordered, combine=merge))

    if not TYPE_CHECKING:
        reduce = requires_initial(reduce)

    def count(self) -> ReduceFuture[int]:
        """How many items there are."""
        parts = _FoldParts("count", count_one, add_counts, Value(0))
        return ReduceFuture(parts.node(self.node, Value(0), result="int"))

    def sum(self: StreamOf[Addable], start: T | int = 0) -> ReduceFuture[T]:
        """The items added up, `start` first; `start` where there are none.

        Floats are added without rounding, and rounded once: the sum does not depend on how workers shared the items.
        """
        return ReduceFuture(_sum(_node_of(self), start))

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
        """The least item, or the one with the least `key(item)`, a plain function; of equal ones the first.

        A stream without items has the `default`; without one the run raises `ValueError`.
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
        """The greatest item, or the one with the greatest `key(item)`, a plain function; of equal ones the first.

        A stream without items has the `default`; without one the run raises `ValueError`.
        """
        return ReduceFuture(_best("max", greater, greatest_of, _node_of(self), key, default))


class _FoldParts:
    """A fold that has a name: what it does with an item, with two accumulators, and where workers start."""

    def __init__(self, name: str, fold: Callable[..., object], combine: Callable[..., object], empty: Argument) -> None:
        self._name = name
        self._fold = fold
        self._combine = combine
        self._empty = empty

    def node(
        self,
        source: Node,
        initial: Argument,
        *,
        result: str = "?",
        bound: dict[str, Argument] | None = None,
        finish: Call | None = None,
    ) -> ReduceNode:
        """The node; `finish` makes the value of the last accumulator."""
        accumulator, item = list(inspect.signature(self._fold).parameters)[:2]
        extras = tuple(Binding(name, argument) for name, argument in (bound or {}).items())
        call = Call(Function(self._fold, self._name, "plain", 0, result), (), extras)
        first, second = inspect.signature(self._combine).parameters
        merge = Call(Function(self._combine, self._name, "plain", 0, result), (), ())
        combine = CombineCall(merge, (first, second), self._empty, named=True)
        return ReduceNode(call, source, accumulator, item, initial, True, combine=combine, finish=finish)


def _sum(source: Node, start: object) -> ReduceNode:
    finish = Call(Function(sum_of, "sum", "plain", 0, "?"), (), (Binding("start", argument_of(start)),))
    return _FoldParts("sum", add, add_totals, Value(Total())).node(source, Value(Total()), finish=finish)


def _best(
    name: str,
    fold: Callable[..., object],
    combine: Callable[..., object],
    source: Node,
    key: object,
    default: object,
) -> ReduceNode:
    if key is not None and (is_task(key) or not callable(key)):
        what = "a task, which gives futures: give the function it is made of" if is_task(key) else repr(key)
        raise ParameterError(f"`key` of `{name}` must be a plain function of one item; got {what}")
    bound: dict[str, Argument] = {} if key is None else {"key": Value(key)}
    told = [Binding("name", Value(name)), *([] if default is NOTHING else [Binding("default", argument_of(default))])]
    finish = Call(Function(value_of, name, "plain", 0, "?"), (), tuple(told))
    return _FoldParts(name, fold, combine, Value(NOTHING)).node(source, Value(NOTHING), bound=bound, finish=finish)


def _node_of(stream: object) -> Node:
    assert isinstance(stream, Foldable)
    return stream.node


def _combine(fold: str, given: object, empty: object) -> CombineCall | None:
    """The `combine` of a fold; a plain function is described as a task would be."""
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
