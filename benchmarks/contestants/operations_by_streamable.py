"""The operations that streamable has, on doubled numbers."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, cast

from streamable import stream

from benchmarks.contestants.operations_by_hand import SIZE, even, sixth, small, total, twice
from benchmarks.shape import Absent, Entry, Job
from benchmarks.workloads.trivial import double, numbers

__all__ = ["map_fold"]

# Untyped, like the library where it is not installed.
OPERATIONS: dict[str, Callable[[Any, int], object]] = {
    "filter": lambda items, n: items.filter(even),
    "flat_map": lambda items, n: items.map(twice).flatten(),
    "batch": lambda items, n: items.group(SIZE).map(total),
    "unbatch": lambda items, n: items.group(SIZE).flatten(),
    "take": lambda items, n: items.take(n // 2),
    "take_while": lambda items, n: items.take(lambda x: not small(x, n)),
    "skip": lambda items, n: items.skip(n // 2),
    "group_by": lambda items, n: items.group(by=sixth),
    "from_iterable": lambda items, n: stream(range(n)).map(double),
}


def map_fold(job: Job, entry: Entry, /) -> object:
    """In this process."""
    n, name = cast("int", job.arguments["n"]), str(job.arguments["operation"])
    if name not in OPERATIONS:
        raise Absent(f"it has no {name}")
    return list(cast("Any", OPERATIONS[name](stream(numbers(n)).map(double), n)))
