"""Operators: each does what its operation means, one item at a time, and so do several of them in a row."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable, Iterator
from typing import Any

import pytest
from hypothesis import given, strategies as st

from daglite.exceptions import ExecutionError, ParameterError, failure_of
from daglite.functions import Function
from daglite.operations import OperationKind, spec_of
from daglite.operations.operator import Operator
from daglite.program import Step, StreamOperation
from daglite.runtime.dataflow.operator_chain import ChainedItems, OperatorChain
from daglite.runtime.dataflow.operators import make_operator

ASKING: dict[OperationKind, Callable[..., object]] = {
    "distinct": lambda x: x % 3,
    "group_by": lambda x: x // 2,
    "scan": lambda acc, x: [*acc, x],
    "take_while": lambda x: x % 7 != 5,
}
OTHER = [10, 11, 12, 13]


def planned(kind: OperationKind, asks: bool = False, **numbers: int) -> StreamOperation:
    step = Step(4, "", Function(spec_of(kind).meaning, "asked" if asks else kind, "plain", 0, "?"), ())
    return StreamOperation(kind, step, "?", tuple(numbers.items()))


def made(kind: OperationKind, **numbers: int) -> Operator:
    ask = ASKING.get(kind)
    return make_operator(planned(kind, ask is not None, **numbers), ask, OTHER)


def through(items: Iterable[object], *operators: Operator) -> list[object]:
    return list(ChainedItems(iter(items), OperatorChain(operators), lambda: None))


def meant(kind: OperationKind, items: Iterable[object], **numbers: int) -> Iterable[object]:
    numbers.pop("limit", None)
    asked, operand = [ASKING[kind]] if kind in ASKING else [], [OTHER] if spec_of(kind).operand else []
    return spec_of(kind).meaning(items, *asked, *operand, **numbers)


WHICH: st.SearchStrategy[tuple[OperationKind, dict[str, int]]] = st.one_of(
    st.tuples(st.sampled_from(("batch", "skip", "take")), st.fixed_dictionaries({"n": st.integers(1, 4)})),
    st.tuples(st.just("window"), st.fixed_dictionaries({"n": st.integers(1, 4), "step": st.integers(1, 4)})),
    st.tuples(st.just("distinct"), st.just({"limit": 3})),
    st.tuples(st.sampled_from(("group_by", "scan", "take_while", "zip", "enumerate")), st.just({})),
)
NUMBERS = st.lists(st.integers(0, 9), max_size=12)


@given(NUMBERS, WHICH)
def test_operator_does_what_the_operation_means(items: list[int], which: tuple[OperationKind, dict[str, int]]) -> None:
    kind, numbers = which

    assert through(items, made(kind, **numbers)) == list(meant(kind, items, **numbers))


@given(st.lists(st.lists(st.integers()) | st.lists(st.integers()).map(tuple) | st.text(max_size=3)))
def test_what_items_hold_comes_out_in_order(items: list[Any]) -> None:
    assert through(items, made("unbatch")) == list(itertools.chain.from_iterable(items))


SAME: st.SearchStrategy[list[tuple[OperationKind, dict[str, int]]]] = st.lists(
    st.one_of(
        st.tuples(st.sampled_from(("skip", "take")), st.fixed_dictionaries({"n": st.integers(0, 4)})),
        st.tuples(st.just("distinct"), st.just({"limit": 3})),
        st.tuples(st.just("take_while"), st.just({})),
    ),
    max_size=4,
)


@given(NUMBERS, SAME, WHICH)
def test_pipe_is_one_operation_after_the_other(
    items: list[int],
    first: list[tuple[OperationKind, dict[str, int]]],
    last: tuple[OperationKind, dict[str, int]],
) -> None:
    wanted: Iterable[object] = items
    for kind, numbers in [*first, last]:
        wanted = meant(kind, wanted, **numbers)

    assert through(items, *[made(kind, **numbers) for kind, numbers in [*first, last]]) == list(wanted)


@given(NUMBERS, SAME, WHICH, st.lists(st.integers(0, 3), max_size=5))
def test_items_may_come_some_at_a_time(
    items: list[int],
    first: list[tuple[OperationKind, dict[str, int]]],
    last: tuple[OperationKind, dict[str, int]],
    sizes: list[int],
) -> None:
    """Pulled in slices of any size, then finished: what comes out of all of them."""
    pipe, left, found = (
        OperatorChain([made(kind, **numbers) for kind, numbers in [*first, last]]),
        iter(items),
        list[object](),
    )
    for size in [*sizes, len(items)]:
        found += pipe.some(itertools.islice(left, size))
    found += pipe.finish()
    assert found == through(items, *[made(kind, **numbers) for kind, numbers in [*first, last]])


@given(NUMBERS, st.integers(1, 4), st.integers(0, 9))
def test_what_is_taken_apart_is_what_was_put_together(items: list[int], n: int, most: int) -> None:
    assert through(items, made("batch", n=n), made("unbatch")) == items
    assert through(items, made("batch", n=n), made("unbatch"), made("take", n=most)) == items[:most]
    assert through(items, made("take", n=most), made("batch", n=n)) == [*spec_of("batch").meaning(items[:most], n)]


class Asked:
    """Items that note how many were asked for, and when they are closed."""

    def __init__(self, items: Iterable[Any]) -> None:
        self.items = iter(items)
        self.log: list[object] = []

    def __iter__(self) -> Iterator[Any]:
        return self

    def __next__(self) -> Any:
        item = next(self.items)
        self.log.append(item)
        return item

    def close(self) -> None:
        self.log.append("closed")


@pytest.mark.parametrize(
    ("operators", "wanted", "asked"),
    [
        ([("take", {"n": 2})], [0, 1], [0, 1]),
        ([("take", {"n": 0})], [], []),
        ([("skip", {"n": 1}), ("take", {"n": 2})], [1, 2], [0, 1, 2]),
        ([("batch", {"n": 2}), ("take", {"n": 1})], [[0, 1]], [0, 1]),
        ([("take", {"n": 3}), ("batch", {"n": 2})], [[0, 1], [2]], [0, 1, 2]),
        ([("take_while", {})], [0, 1, 2, 3, 4], [0, 1, 2, 3, 4, 5]),
        ([("zip", {})], list(zip(range(4), OTHER, strict=True)), [0, 1, 2, 3]),
        ([("group_by", {}), ("take", {"n": 1})], [(0, [0, 1])], [0, 1, 2]),
    ],
)
def test_source_is_closed_with_the_last_item_that_is_wanted(
    operators: list[tuple[OperationKind, dict[str, int]]], wanted: list[object], asked: list[int]
) -> None:
    """Before anything behind it sees the end."""
    source = Asked(itertools.count())
    out = ChainedItems(source, OperatorChain([made(kind, **numbers) for kind, numbers in operators]), source.close)

    assert list(out) == wanted
    assert source.log == [*asked, "closed"]


def test_items_without_an_end_are_taken_apart_lazily() -> None:
    items = [itertools.count(), [1]]

    assert through(items, made("unbatch"), made("take", n=3)) == [0, 1, 2]


def test_closing_closes_what_stands_in_front() -> None:
    """Also when nothing was asked for."""
    for count in (0, 2):
        source = Asked(range(9))
        out = ChainedItems(source, OperatorChain([made("enumerate")]), source.close)
        assert list(itertools.islice(out, count)) == [*enumerate(range(count))]
        out.close()
        assert source.log == [*range(count), "closed"]


def test_accumulators_are_what_they_were_when_they_came_out() -> None:
    """Also where the task goes on with the same object; the initial value stays as it was."""
    start: list[int] = []

    def put(acc: list[int], x: int) -> list[int]:
        acc.append(x)
        return acc

    scans = [make_operator(planned("scan", True), put, start) for _ in range(2)]
    assert through([1, 2], scans[0]) == through([1, 2], scans[1]) == [[1], [1, 2]]
    assert start == []


def test_accumulator_that_cannot_be_copied_is_told() -> None:
    with pytest.raises(ParameterError, match=r"^`initial` of `scan` with task 'asked' cannot be copied: <generator"):
        make_operator(planned("scan", True), max, broken())
    with pytest.raises(ExecutionError, match=r"^`scan` copies each accumulator, and one that task 'asked' returned"):
        through([1], make_operator(planned("scan", True), lambda acc, x: broken(), 0))


def broken() -> Iterator[int]:
    yield 1
    raise OSError("no more")


def refuses(x: Any) -> object:
    if x == 2:
        raise KeyError(x)
    return x


class Odd:
    def __eq__(self, other: object) -> bool:
        raise ArithmeticError("equal to nothing")

    __hash__ = object.__hash__


@pytest.mark.parametrize(
    ("kind", "ask", "numbers", "items", "error", "told", "index"),
    [
        ("unbatch", None, {}, [[1], 5], TypeError, "`unbatch` needs items that hold others, .*; item 1 is 5", 1),
        ("unbatch", None, {}, [[1], broken()], OSError, "^no more", 1),
        ("take_while", refuses, {}, [1, 2], KeyError, "^2", 1),
        ("scan", lambda acc, x: refuses(x), {}, [1, 2], KeyError, "^2", 1),
        ("distinct", refuses, {"limit": 9}, [1, 1, 2], KeyError, "^2", 2),
        ("group_by", refuses, {}, [1, 3, 2], KeyError, "^2", 2),
        (
            "distinct",
            None,
            {"limit": 9},
            [1, [2]],
            TypeError,
            "^`distinct` keeps its items in a set, .* give a `key`",
            1,
        ),
        (
            "distinct",
            lambda x: [x],
            {"limit": 9},
            [1],
            TypeError,
            "^`distinct` keeps what task 'asked' returns in a",
            0,
        ),
        ("distinct", None, {"limit": 2}, [1, 2, 1, 3], ExecutionError, "^`distinct` has seen 2 different items", 3),
        ("group_by", abs, {"limit": 2}, [1, 1, -1], ExecutionError, "has more than 2 items, its `limit`: that of", 2),
        ("group_by", lambda _: Odd(), {}, [1, 2], ArithmeticError, "^equal to nothing", 1),
    ],
)
def test_error_names_the_item(
    kind: OperationKind,
    ask: Callable[..., object] | None,
    numbers: dict[str, int],
    items: list[Any],
    error: type[Exception],
    told: str,
    index: int,
) -> None:
    """By its place among those that came to the operation."""
    operator = make_operator(planned(kind, True, **numbers), ask)
    with pytest.raises(error, match=told) as caught:
        through(items, operator)
    failure = failure_of(caught.value)

    assert failure is not None
    assert (failure.task, failure.step, failure.index) == ("asked", 4, index)


def test_group_is_as_large_as_its_limit() -> None:
    assert through([1, -1, 2], make_operator(planned("group_by", limit=2), abs)) == [(1, [1, -1]), (2, [2])]
