"""The folds that have a name: each gives what the builtin gives, however its items are shared out."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Iterable, Sequence
from datetime import timedelta
from decimal import Decimal
from fractions import Fraction
from functools import reduce
from typing import Any

import pytest
from hypothesis import given, strategies as st

from daglite.aggregations import (
    NOTHING,
    Total,
    add,
    add_totals,
    greater,
    greatest_of,
    least_of,
    smaller,
    sum_of,
    value_of,
)

FLOATS = st.lists(st.floats(-1e300, 1e300), max_size=8)


def added(items: Iterable[object]) -> Total:
    return reduce(add, items, Total())


def parted(items: Sequence[Any], cuts: Sequence[int]) -> object:
    """The sum by way of parts that end at these places."""
    ends = [0, *sorted(cut % (len(items) + 1) for cut in cuts), len(items)]
    parts = [added(items[start:end]) for start, end in itertools.pairwise(ends)]
    return sum_of(reduce(add_totals, parts))


@given(FLOATS, st.lists(st.integers(0, 8), max_size=3))
def test_sum_of_floats_is_rounded_once(items: list[float], cuts: list[int]) -> None:
    found = parted(items, cuts)

    assert found == math.fsum(items)
    assert isinstance(found, float) is bool(items)


@given(st.lists(st.integers() | st.booleans()), st.lists(st.integers(0, 8), max_size=3))
def test_sum_of_whole_numbers_is_one(items: list[int], cuts: list[int]) -> None:
    assert repr(parted(items, cuts)) == repr(sum(items))


@given(
    st.lists(st.integers(-(10**30), 10**30) | st.floats(-1e9, 1e9), min_size=1, max_size=8).filter(
        lambda items: any(isinstance(item, float) for item in items)
    ),
    st.lists(st.integers(0, 8), max_size=3),
)
def test_sum_of_both_is_that_of_the_exact_numbers(items: list[float], cuts: list[int]) -> None:
    assert parted(items, cuts) == float(sum(map(Fraction, items)))


@pytest.mark.parametrize(
    ("items", "wanted"),
    [
        ([], 0),
        ([0.1] * 10, 1.0),
        ([1e308, 1e308, -1e308], 1e308),
        ([-1e308, -1e308], -math.inf),
        ([5e-324, 5e-324], 1e-323),
        ([math.inf, 1.0], math.inf),
        ([Decimal("0.1")] * 3, Decimal("0.3")),
        ([timedelta(hours=1), timedelta(hours=2)], timedelta(hours=3)),
        ([Fraction(1, 3), 1, 0.5], 1.5 + Fraction(1, 3)),
        ([10**400, 1.0], math.inf),
        ([1 + 2j, 1], 2 + 2j),
        (["a", "b"], "ab"),
        ([[1], [2]], [1, 2]),
    ],
)
def test_sum_takes_what_can_be_added(items: list[object], wanted: object) -> None:
    for cuts in ([], [1], [1, 2]):
        assert parted(items, cuts) == wanted


def test_sum_of_infinities_of_both_signs_is_no_number() -> None:
    assert math.isnan(parted([math.inf, 1.0, -math.inf], [1]))  # type: ignore[arg-type]
    assert math.isnan(parted([1.0, math.nan], []))  # type: ignore[arg-type]


def test_sum_begins_with_its_start() -> None:
    assert sum_of(added([1, 2]), 10) == 13
    assert repr(sum_of(added([]), 0.0)) == "0.0"
    assert sum_of(added([0.1] * 9), 0.1) == 1.0
    assert sum_of(added([[2]]), [1]) == [1, 2]
    assert sum_of(added([]), True) == 1


def test_items_are_left_as_they_are() -> None:
    first = [1]

    assert sum_of(added([first, [2]])) == [1, 2]
    assert first == [1]


BEST: list[Any] = [(min, smaller, least_of), (max, greater, greatest_of)]


@pytest.mark.parametrize(("builtin", "fold", "both"), BEST)
@pytest.mark.parametrize("key", [None, lambda pair: pair[0]])
@given(items=st.lists(st.tuples(st.integers(0, 3), st.integers(0, 3)), min_size=1), cut=st.integers(0, 9))
def test_best_is_that_of_the_builtin(
    builtin: Callable[..., Any],
    fold: Callable[..., Any],
    both: Callable[..., Any],
    key: Callable[..., Any] | None,
    items: list[tuple[int, int]],
    cut: int,
) -> None:
    """Of equal ones the first, in parts too."""
    parts = [reduce(lambda best, item: fold(best, item, key), part, NOTHING) for part in (items[:cut], items[cut:])]

    assert value_of(both(*parts), "best") == builtin(items, key=key)


def test_nothing_has_no_best() -> None:
    with pytest.raises(ValueError, match=r"^`max` of a stream without items; give it a `default`$"):
        value_of(NOTHING, "max")
    assert value_of(NOTHING, "max", None) is None
    assert value_of((1, None), "max", 2) is None
