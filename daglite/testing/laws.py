"""The laws, each as a function of drawn values that raises `LawViolation` with an explanation."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator, Sequence
from typing import Any, TypeVar, cast

from daglite.binding import Bindable
from daglite.compile import compile
from daglite.exceptions import TransferError
from daglite.futures import IterFuture
from daglite.plan import Plan
from daglite.runtime.kernel.errors import short_repr
from daglite.runtime.kernel.neutral_element import find_neutral_element
from daglite.tasks import task
from daglite.testing.equality import Comparison
from daglite.testing.searching import LawViolation, trying

T = TypeVar("T")


@task
def given(items: Sequence[T]) -> Iterator[T]:
    yield from items


@task
def held(values: list[object]) -> object:
    return values[0]


# A stream without items, to which steps are added.
nothing: IterFuture[Any] = given.iter(items=())


def task_law(checked: Bindable, comparing: Comparison) -> Callable[[object], None]:
    """Return the law: a task gives equal results for equal items, does not change them, and both can be sent."""
    name, applied = checked.function.name, _TaskRun(checked)

    def law(item: object) -> None:
        shown = short_repr(item)
        before = _packed(comparing, item, f"task '{name}': item {shown}")
        first = applied(item, shown)
        _check_unchanged(comparing, name, item, shown, before)
        there = _received(comparing, before, f"task '{name}': item {shown}")
        what = f"task '{name}': the result {short_repr(first)} of item {shown}"
        back = _received(comparing, _packed(comparing, first, what), what)
        second = applied(there, shown)
        if not comparing.alike(first, second):
            raise LawViolation(
                f"task '{name}' gives different results for the same item\n"
                f"  {shown} gives {short_repr(first)}\n  {shown} gives {short_repr(second)} the second time"
            )
        if not comparing.alike(first, back):
            raise LawViolation(f"{what} arrives as {short_repr(back)} from another process")

    return law


def fold_law(checked: Bindable, initial: object, comparing: Comparison) -> Callable[[Any], None]:
    """Return the law: swapping two neighbouring items does not change a fold."""
    folded = _FoldRun(checked)

    def law(drawn: tuple[list[object], object, object]) -> None:
        before, one, other = drawn
        items, swapped = [*before, one, other], [*before, other, one]
        found, again = folded(initial, items), folded(initial, swapped)
        if not comparing.alike(found, again):
            raise LawViolation(
                f"fold '{checked.function.name}' needs its items in order (`ordered=True`), as from `initial` "
                f"{short_repr(initial)}\n  {short_repr(items)} gives {short_repr(found)}\n"
                f"  {short_repr(swapped)} gives {short_repr(again)}"
            )

    return law


def combine_law(
    checked: Bindable,
    merge: Bindable,
    initial: object,
    empty: tuple[object, ...],
    comparing: Comparison,
    *,
    ordered: bool,
) -> Callable[[Any], None]:
    """Return the law: combining two partial results equals folding on.

    `empty` has the given neutral element, or nothing. Raises `ParameterError` when it is not neutral, or not found.
    """
    fold, name = checked.function.name, merge.function.name
    folded, merged = _FoldRun(checked), _FoldRun(merge)
    unit = find_neutral_element(initial, empty, name, lambda left, right: merged(left, [right]))

    def law(drawn: tuple[list[object], list[object]]) -> None:
        xs, ys = drawn
        right = folded(unit, ys)
        for what, start in (("initial", initial), ("empty", unit)):
            left, whole = folded(start, xs), folded(start, [*xs, *ys])
            together = merged(left, [right])
            parts = f"  {short_repr(xs)} and {short_repr(ys)} in parts give {short_repr(left)} and {short_repr(right)}"
            if not comparing.alike(together, whole):
                raise LawViolation(
                    f"`combine` '{name}' does not go on as fold '{fold}' does, from `{what}` {short_repr(start)}\n"
                    f"  {short_repr([*xs, *ys])} in one gives {short_repr(whole)}\n"
                    f"{parts}, together {short_repr(together)}"
                )
            crossed = together if ordered else merged(right, [left])
            if not comparing.alike(together, crossed):
                raise LawViolation(
                    f"`combine` '{name}' needs its parts in order (`ordered=True`), as with fold '{fold}'\n"
                    f"{parts}, together {short_repr(together)} or, the other way round, {short_repr(crossed)}"
                )

    return law


class _TaskRun:
    """A task as a plan, compiled once; it gets the item itself, not a copy, in this process."""

    def __init__(self, checked: Bindable) -> None:
        self._name, self._items = checked.function.name, list[object]()
        self._plan: Plan[list[object]] = compile(given.iter(items=self._items).then(cast("Any", checked)))

    def __call__(self, item: object, shown: str) -> object:
        self._items[:] = [item]
        with trying(f"task '{self._name}', asked about item {shown},"):
            (found,) = self._plan.run(runtime="inline")
        return found


class _FoldRun:
    """A fold as a plan, compiled once; it gets copies, which it may change."""

    def __init__(self, checked: Bindable) -> None:
        self._name, self._items, self._start = checked.function.name, list[object](), list[object]()
        start = held(self._start)
        self._plan: Plan[object] = compile(given.iter(items=self._items).reduce(cast("Any", checked), initial=start))

    def __call__(self, initial: object, items: Sequence[object]) -> object:
        self._items[:], self._start[:] = copy.deepcopy(items), [copy.deepcopy(initial)]
        with trying(f"'{self._name}', folding {short_repr(items)} from {short_repr(initial)},"):
            return self._plan.run(runtime="inline")


def _check_unchanged(comparing: Comparison, name: str, item: object, shown: str, before: bytes) -> None:
    with_it = f"task '{name}' changes its item: {shown}"
    after = _packed(comparing, item, f"{with_it} afterwards")
    # Other bytes alone do not show a change: a cache may have been filled.
    if after != before and not comparing.equal(item, comparing.unpacked(before)):
        raise LawViolation(f"{with_it} is {short_repr(item)} afterwards")


def _packed(comparing: Comparison, value: object, what: str) -> bytes:
    try:
        return comparing.packed(value)
    except TransferError as error:
        raise LawViolation(f"{what} cannot go to another process: {error}") from error


def _received(comparing: Comparison, data: bytes, what: str) -> object:
    try:
        return comparing.unpacked(data)
    except Exception as error:
        raise LawViolation(f"{what} cannot be loaded in another process: {type(error).__name__}: {error}") from error
