"""The folds that streams have by name: what counting, adding up, the least and the greatest do with an item. Pure.

Each also puts two accumulators together, so that workers fold their own items. The sum of floats is exact until it is
asked for: it does not depend on how the items were spread.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from enum import Enum
from typing import Any


class Unset(Enum):
    """What is there before the first item; None could be an item."""

    NOTHING = "NOTHING"


NOTHING = Unset.NOTHING


def count_one(count: int, item: object) -> int:
    """One more."""
    return count + 1


def add_counts(count: int, other: int) -> int:
    """Two counts as one."""
    return count + other


# The smallest float is one of these: times this every finite float is a whole number.
_UNITS = 1074


class Total:
    """A sum so far: whole numbers, floats without any rounding, and what else can be added, in order."""

    __slots__ = ("odd", "rest", "units", "whole")

    def __init__(self) -> None:
        self.whole: Any = NOTHING
        # The sum of the finite floats, in the smallest units that there are.
        self.units: int | None = None
        # The sum of those that are infinite or no numbers.
        self.odd = 0.0
        self.rest: Any = NOTHING

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Total) and self._parts() == other._parts()

    __hash__ = None  # type: ignore[assignment]  # it changes

    def _parts(self) -> tuple[object, ...]:
        return self.whole, self.units, self.odd, self.rest


def add(total: Total, item: Any) -> Total:
    """The sum with one more item; the very same object, changed."""
    kind = type(item)
    if kind is int or kind is bool:
        total.whole = item + 0 if total.whole is NOTHING else total.whole + item
    elif kind is float:
        units = total.units or 0
        if math.isfinite(item):
            numerator, denominator = item.as_integer_ratio()
            total.units = units + (numerator << (_UNITS + 1 - denominator.bit_length()))
        else:
            total.units, total.odd = units, total.odd + item
    else:
        total.rest = item if total.rest is NOTHING else total.rest + item
    return total


def add_totals(total: Total, other: Total) -> Total:
    """Two sums as one: the first, changed."""
    if other.whole is not NOTHING:
        add(total, other.whole)
    if other.units is not None:
        total.units, total.odd = (total.units or 0) + other.units, total.odd + other.odd
    return total if other.rest is NOTHING else add(total, other.rest)


def sum_of(total: Total, start: object = 0) -> object:
    """The sum, with `start` before it; 0 when there is nothing. Floats are rounded now, once."""
    if type(start) is not int or start:
        total = add_totals(add(Total(), start), total)
    found: Any = total.whole
    if total.units is not None:
        found = _rounded(total.units, 0 if found is NOTHING else found, total.odd)
    if total.rest is not NOTHING:
        return total.rest if found is NOTHING else found + total.rest
    return 0 if found is NOTHING else found


def _rounded(units: int, whole: int, odd: float) -> float:
    if odd or math.isnan(odd):
        return odd
    exact = units + (whole << _UNITS)
    try:
        # A quotient of whole numbers is the float nearest to it.
        return exact / (1 << _UNITS)
    except OverflowError:
        return math.inf if exact > 0 else -math.inf


# A least or greatest one so far: the item behind its key, or nothing.
Best = tuple[Any, Any] | Unset
Key = Callable[[Any], Any] | None


def smaller(best: Best, item: Any, key: Key = None) -> Best:
    """The lesser of the two; of equal ones the first."""
    return least_of(best, (item if key is None else key(item), item))


def greater(best: Best, item: Any, key: Key = None) -> Best:
    """The greater of the two; of equal ones the first."""
    return greatest_of(best, (item if key is None else key(item), item))


def value_of(best: Best, name: str, default: object = NOTHING) -> object:
    """The item, or the default; raises `ValueError` where there is neither."""
    if not isinstance(best, Unset):
        return best[1]
    if default is NOTHING:
        raise ValueError(f"`{name}` of a stream without items; give it a `default`")
    return default


def least_of(best: Best, other: Best) -> Best:
    """The lesser of two so far."""
    if isinstance(best, Unset) or isinstance(other, Unset):
        return other if isinstance(best, Unset) else best
    return other if other[0] < best[0] else best


def greatest_of(best: Best, other: Best) -> Best:
    """The greater of two so far."""
    if isinstance(best, Unset) or isinstance(other, Unset):
        return other if isinstance(best, Unset) else best
    return other if other[0] > best[0] else best
