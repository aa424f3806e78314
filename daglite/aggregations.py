"""The folds by name, such as `.sum`: how an item enters an accumulator, and how two accumulators become one. Pure.

Workers fold their own items with them. The sum of floats is exact until the end: it does not depend on how the items
were distributed.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from enum import Enum
from typing import Any


class Unset(Enum):
    """The accumulator before the first item; None could be an item."""

    NOTHING = "NOTHING"


NOTHING = Unset.NOTHING


def count_one(count: int, item: object) -> int:
    """Count one more item."""
    return count + 1


def add_counts(count: int, other: int) -> int:
    """Add two counts."""
    return count + other


# The smallest float is 2**-1074: in this unit every finite float is a whole number.
_UNITS = 1074


class Total:
    """A sum so far: whole numbers, floats without any rounding, and other values in order."""

    __slots__ = ("odd", "rest", "units", "whole")

    def __init__(self) -> None:
        self.whole: Any = NOTHING
        # The sum of the finite floats, in units of 2**-1074.
        self.units: int | None = None
        # The sum of infinities and nans.
        self.odd = 0.0
        self.rest: Any = NOTHING

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Total) and self._parts() == other._parts()

    __hash__ = None  # type: ignore[assignment]  # it changes

    def _parts(self) -> tuple[object, ...]:
        return self.whole, self.units, self.odd, self.rest


def add(total: Total, item: Any) -> Total:
    """Add an item to a sum, in place."""
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
    """Add the second sum to the first, in place."""
    if other.whole is not NOTHING:
        add(total, other.whole)
    if other.units is not None:
        total.units, total.odd = (total.units or 0) + other.units, total.odd + other.odd
    return total if other.rest is NOTHING else add(total, other.rest)


def sum_of(total: Total, start: object = 0) -> object:
    """Return the value of a sum, with `start` before it; 0 when there is nothing. Floats are rounded now, once."""
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
        # Python rounds a quotient of whole numbers to the nearest float.
        return exact / (1 << _UNITS)
    except OverflowError:
        return math.inf if exact > 0 else -math.inf


# The least or greatest item so far with its key before it, or nothing.
Best = tuple[Any, Any] | Unset
Key = Callable[[Any], Any] | None


def smaller(best: Best, item: Any, key: Key = None) -> Best:
    """Return the lesser of the two; the first of equal ones."""
    return least_of(best, (item if key is None else key(item), item))


def greater(best: Best, item: Any, key: Key = None) -> Best:
    """Return the greater of the two; the first of equal ones."""
    return greatest_of(best, (item if key is None else key(item), item))


def value_of(best: Best, name: str, default: object = NOTHING) -> object:
    """Return the item, or the default; raises `ValueError` where there is neither."""
    if not isinstance(best, Unset):
        return best[1]
    if default is NOTHING:
        raise ValueError(f"`{name}` of a stream without items; give it a `default`")
    return default


def least_of(best: Best, other: Best) -> Best:
    """Return the lesser of two accumulators."""
    if isinstance(best, Unset) or isinstance(other, Unset):
        return other if isinstance(best, Unset) else best
    return other if other[0] < best[0] else best


def greatest_of(best: Best, other: Best) -> Best:
    """Return the greater of two accumulators."""
    if isinstance(best, Unset) or isinstance(other, Unset):
        return other if isinstance(best, Unset) else best
    return other if other[0] > best[0] else best
