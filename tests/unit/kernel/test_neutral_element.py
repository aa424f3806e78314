"""What a worker's fold starts from: found only where `combine` is seen to leave it out."""

from __future__ import annotations

import collections
import operator
from collections.abc import Callable, Iterator
from decimal import Decimal
from fractions import Fraction
from typing import Any

import numpy as np
import pytest

from daglite.exceptions import ParameterError
from daglite.runtime.kernel.neutral_element import find_neutral_element

Combine = Callable[[Any, Any], Any]


class Sums:
    """A plain object, without `==`."""

    def __init__(self, total: int = 0) -> None:
        self.total = total


def added(one: Sums, other: Sums) -> Sums:
    one.total += other.total
    return one


def pairwise(one: tuple[int, float], other: tuple[int, float]) -> tuple[int, float]:
    return one[0] + other[0], one[1] + other[1]


def longest(one: str | None, other: str | None) -> str | None:
    return max(one or "", other or "", key=len) or None


def iter_of_nothing() -> Iterator[int]:
    yield 1


def never(one: object, other: object) -> object:
    raise TypeError("not of these")


@pytest.mark.parametrize(
    ("initial", "combine", "wanted"),
    [
        (100, operator.add, 0),
        (6, operator.mul, 1),
        (0, operator.mul, 0),
        (-5, max, -5),
        (2.5, operator.add, 0.0),
        (Decimal("2.5"), operator.add, Decimal(0)),
        (Fraction(1, 3), operator.mul, Fraction(1)),
        (True, operator.and_, True),
        ("ab", operator.add, ""),
        (b"ab", operator.add, b""),
        (("a",), operator.add, ()),
        ((0, 0.0), pairwise, (0, 0.0)),
        ([1], operator.add, []),
        ({1}, operator.or_, set()),
        (frozenset({1}), operator.or_, frozenset()),
        ({"a": 1}, operator.or_, {}),
        (collections.Counter(a=1), operator.add, collections.Counter()),
        (None, longest, None),
    ],
)
def test_empty_is_found_at_hand(initial: object, combine: Combine, wanted: object) -> None:
    found = find_neutral_element(initial, (), "both", combine)

    assert found == wanted
    assert type(found) is type(wanted)


def test_emptied_container_keeps_its_kind() -> None:
    """A `defaultdict` is more than its items: a fold that counts on its default finds it."""
    start = collections.defaultdict(int, a=1)

    found = find_neutral_element(start, (), "both", operator.or_)

    assert found == {}
    assert isinstance(found, collections.defaultdict)
    assert found["new"] == 0
    assert start == {"a": 1}


def test_what_pickles_alike_is_equal() -> None:
    """Arrays and plain objects say nothing of use to `==`."""
    zeros: Any = find_neutral_element(np.zeros(3), (), "both", operator.add)
    start = Sums()
    sums = find_neutral_element(start, (), "added", added)

    assert zeros.tolist() == [0, 0, 0]
    assert isinstance(sums, Sums)
    assert sums is not start


@pytest.mark.parametrize(
    ("initial", "combine", "tried"),
    [
        ((3, 10.0), pairwise, r"\(\) or \(3, 10.0\)"),
        (Sums(5), added, "<.*Sums.*>"),
        (0, never, "0 or 1"),
        (5, lambda one, other: None, "0 or 1 or 5"),
    ],
)
def test_nothing_at_hand_is_told(initial: object, combine: Combine, tried: str) -> None:
    wanted = rf"^`reduce` with `combine` 'both' and `initial` .* needs `empty`, .* is not seen of {tried}; give it, as "

    with pytest.raises(ParameterError, match=wanted):
        find_neutral_element(initial, (), "both", combine)


@pytest.mark.parametrize(
    ("initial", "combine", "given"),
    [
        ((3, 10.0), pairwise, (0, 0.0)),
        (float("nan"), operator.add, 0.0),
        (Sums(5), added, Sums()),
        (None, never, None),
    ],
)
def test_given_empty_is_taken_where_nothing_speaks_against_it(initial: object, combine: Combine, given: object) -> None:
    found = find_neutral_element(initial, (given,), "both", combine)

    assert type(found) is type(given)


def test_given_empty_is_copied() -> None:
    given = [[1]]
    found: Any = find_neutral_element([], (given,), "both", lambda one, other: one)

    assert found == given
    assert found[0] is not given[0]


def test_given_empty_that_changes_something_is_refused() -> None:
    wanted = r"^`empty` 100 changes `initial` 100 in `combine` 'both': `both\(a, empty\)` must give `a` for every accum"

    with pytest.raises(ParameterError, match=wanted):
        find_neutral_element(100, (100,), "both", operator.add)


def test_given_empty_that_cannot_be_copied_is_refused() -> None:
    with pytest.raises(ParameterError, match=r"^`empty` of `combine` 'both' cannot be copied: <generator "):
        find_neutral_element(1, (iter_of_nothing(),), "both", operator.add)


def test_values_are_not_touched() -> None:
    """`combine` may change its first argument: it is tried on copies."""
    start, given = [1], list[int]()

    assert find_neutral_element(start, (given,), "both", operator.iadd) == []
    assert find_neutral_element(start, (), "both", operator.iadd) == []
    assert (start, given) == ([1], [])
