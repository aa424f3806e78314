"""The folds that streams have by name: what counting, adding up, the least and the greatest do with an item. Pure.

Each also puts two accumulators together, so that workers fold their own items. The sum of floats is exact until it is
asked for: it does not depend on how the items were spread.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from enum import Enum
from typing import Any

__all__ = [
    "NOTHING",
    "Nothing",
    "Total",
    "add",
    "add_counts",
    "add_totals",
    "count_one",
    "greater",
    "greatest_of",
    "least_of",
    "smaller",
    "sum_of",
    "value_of",
]


class Nothing(Enum):
    """What is there before the first item; None could be an item."""

    NOTHING = "NOTHING"


NOTHING = Nothing.NOTHING


def count_one(count: int, item: object) -> int:
    """One more."""
    return count + 1


def add_counts(count: int, other: int) -> int:
    """Two counts as one."""
    return count + other


class Total:
    """A sum so far: whole numbers, floats without any rounding, and what else can be added, in order."""

    __slots__ = ("floats", "odd", "rest", "whole")

    def __init__(self) -> None:
        self.whole: Any = NOTHING
        # Floats of which none overlaps another: together they are the exact sum.
        self.floats: list[float] | None = None
        # The sum of those that are infinite or no numbers.
        self.odd = 0.0
        self.rest: Any = NOTHING

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Total) and self._parts() == other._parts()

    __hash__ = None  # type: ignore[assignment]  # it changes

    def _parts(self) -> tuple[object, ...]:
        return self.whole, self.floats, self.odd, self.rest

    def add_float(self, item: float) -> None:
        """One more float. Each step gives a rounded sum and what the rounding lost, which is exact."""
        if self.floats is None:
            self.floats = []
        if not math.isfinite(item):
            self.odd += item
            return
        kept = 0
        floats = self.floats
        for one in floats:
            large, small = (item, one) if abs(item) >= abs(one) else (one, item)
            item = large + small
            if not math.isfinite(item):
                self.odd, self.floats = self.odd + item, []
                return
            lost = small - (item - large)
            if lost:
                floats[kept] = lost
                kept += 1
        floats[kept:] = [item]


def add(total: Total, item: Any) -> Total:
    """The sum with one more item; the very same object, changed."""
    kind = type(item)
    if kind is int or kind is bool:
        total.whole = item + 0 if total.whole is NOTHING else total.whole + item
    elif kind is float:
        total.add_float(item)
    else:
        total.rest = item if total.rest is NOTHING else total.rest + item
    return total


def add_totals(total: Total, other: Total) -> Total:
    """Two sums as one."""
    if other.whole is not NOTHING:
        add(total, other.whole)
    for one in other.floats or ():
        total.add_float(one)
    if other.floats is not None:
        total.floats, total.odd = total.floats or [], total.odd + other.odd
    return total if other.rest is NOTHING else add(total, other.rest)


def sum_of(total: Total, start: object = 0) -> object:
    """The sum, with `start` before it. Floats are rounded now, once."""
    if start != 0 or type(start) is not int:
        total = add_totals(add(Total(), start), total)
    found: Any = NOTHING if total.whole is NOTHING else total.whole
    if total.floats is not None:
        exact = total.floats
        if total.odd or math.isnan(total.odd):
            found = total.odd
        elif found is NOTHING:
            found = math.fsum(exact)
        else:
            found = math.fsum([*exact, *_floats_of(found)])
    if total.rest is not NOTHING:
        return total.rest if found is NOTHING else found + total.rest
    return 0 if found is NOTHING else found


def _floats_of(whole: int) -> list[float]:
    """A whole number as floats that together are exactly it; raises `OverflowError` for one that no float can hold."""
    found = []
    while whole:
        found.append(float(whole))
        whole -= int(found[-1])
    return found


# A least or greatest one so far: the item behind its key, or nothing.
Best = tuple[Any, Any] | Nothing
Key = Callable[[Any], Any] | None


def smaller(best: Best, item: Any, key: Key = None) -> Best:
    """The lesser of the two; of equal ones the first."""
    return least_of(best, (item if key is None else key(item), item))


def greater(best: Best, item: Any, key: Key = None) -> Best:
    """The greater of the two; of equal ones the first."""
    return greatest_of(best, (item if key is None else key(item), item))


def value_of(best: Best, name: str, default: object = NOTHING) -> object:
    """The item, or the default; raises `ValueError` where there is neither."""
    if not isinstance(best, Nothing):
        return best[1]
    if default is NOTHING:
        raise ValueError(f"`{name}` of a stream without items; give it a `default`")
    return default


def least_of(best: Best, other: Best) -> Best:
    """The lesser of two so far."""
    if isinstance(best, Nothing) or isinstance(other, Nothing):
        return other if isinstance(best, Nothing) else best
    return other if other[0] < best[0] else best


def greatest_of(best: Best, other: Best) -> Best:
    """The greater of two so far."""
    if isinstance(best, Nothing) or isinstance(other, Nothing):
        return other if isinstance(best, Nothing) else best
    return other if other[0] > best[0] else best
