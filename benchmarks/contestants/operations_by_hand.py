"""Each operation on doubled numbers by hand: with itertools, or with what a programmer would write in its place."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable, Iterator
from typing import cast

from benchmarks.shape import Entry, Job
from benchmarks.workloads.trivial import double, numbers

__all__ = ["OPERATIONS", "SIZE", "even", "few", "map_fold", "nothing", "sixth", "small", "total", "twice"]

SIZE = 10


def even(x: int) -> bool:
    """Every second of the doubled numbers."""
    return x % 4 == 0


def small(x: int, limit: int) -> bool:
    """Below a limit."""
    return x < limit


def sixth(x: int) -> int:
    """The same for some neighbours."""
    return x // 12


def few(x: int) -> int:
    """One of a hundred."""
    return x % 100


def total(xs: list[int]) -> int:
    """The sum of a list."""
    return sum(xs)


def twice(x: int) -> list[int]:
    """Two items for one."""
    return [x, x + 1]


def nothing(x: int) -> None:
    """What is done for what it does."""


def map_fold(job: Job, entry: Entry, /) -> object:
    """The way `loop` is the only one."""
    n = cast("int", job.arguments["n"])
    given = OPERATIONS[str(job.arguments["operation"])](map(double, numbers(n)), n)
    return list(given) if isinstance(given, Iterator) else given


def batches(items: Iterable[int]) -> Iterator[list[int]]:
    """Lists of so many."""
    left = iter(items)
    return iter(lambda: list(itertools.islice(left, SIZE)), [])


def windows(items: Iterable[int]) -> Iterator[list[int]]:
    """Neighbours, two and two."""
    return ([one, other] for one, other in itertools.pairwise(items))


def distinct(items: Iterable[int]) -> Iterator[int]:
    """The first of each hundredth."""
    seen: set[int] = set()
    for item in items:
        key = few(item)
        if key not in seen:
            seen.add(key)
            yield item


def greater(most: int, item: int) -> int:
    """The greater of two numbers."""
    return item if item > most else most


def for_each(items: Iterable[int]) -> int:
    """How many there are."""
    count = 0
    for item in items:
        nothing(item)
        count += 1
    return count


# What each gives for the doubled numbers, of which there are n.
OPERATIONS: dict[str, Callable[[Iterator[int], int], object]] = {
    "filter": lambda items, n: filter(even, items),
    "flat_map": lambda items, n: itertools.chain.from_iterable(map(twice, items)),
    "batch": lambda items, n: map(total, batches(items)),
    "unbatch": lambda items, n: itertools.chain.from_iterable(batches(items)),
    "take": lambda items, n: itertools.islice(items, n // 2),
    "take_while": lambda items, n: itertools.takewhile(lambda x: small(x, n), items),
    "skip": lambda items, n: itertools.islice(items, n // 2, None),
    "enumerate": lambda items, n: enumerate(items),
    "zip": lambda items, n: zip(items, map(double, numbers(n)), strict=False),
    "scan": lambda items, n: itertools.islice(itertools.accumulate(items, greater, initial=0), 1, None),
    "group_by": lambda items, n: ((key, list(group)) for key, group in itertools.groupby(items, sixth)),
    "window": lambda items, n: windows(items),
    "distinct": lambda items, n: distinct(items),
    "sum": lambda items, n: sum(items),
    "count": lambda items, n: sum(1 for _ in items),
    "min": lambda items, n: min(items, key=few),
    "max": lambda items, n: max(items, key=few),
    "for_each": lambda items, n: for_each(items),
    "from_iterable": lambda items, n: map(double, range(n)),
    "iter_partitions": lambda items, n: map(double, itertools.chain(numbers(n // 2), range(n - n // 2))),
}
