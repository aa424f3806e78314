"""What a task gives for one item, in pieces of bounded size: a result that need not be there as a whole.

    worker       the iterator stays open beside the program; an answer ends with a `ResultChunk` of it
    coordinator  asks the same worker for `ContinueResult` when the piece has gone on, or there is room for another
    a new worker begins again and `SkipItems`s what has gone on

Nothing but cells of ordinary batches is needed for it.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterable, Iterator

from daglite.records import record
from daglite.runtime.serialization.codec import object_size

CHUNK_ITEMS = 1024
CHUNK_BYTES = 256 * 1024
_PIECE_SECONDS = 0.02


@record
class ResultChunk:
    """A part of a result; more follows."""

    items: list[object]


@record
class ContinueResult:
    """Stands in the place of an item: go on with it."""


@record
class SkipItems:
    """Stands before an item: so many of what it gives are known already."""

    count: int


class OpenIterators:
    """Iterators of results that are not through, by program and place."""

    def __init__(self) -> None:
        self._left: dict[tuple[int, int], Iterator[object]] = {}

    def keep(self, program: int, place: int, left: Iterator[object]) -> None:
        """More of it will be asked for."""
        self._left[program, place] = left

    def take(self, program: int, place: int) -> Iterator[object]:
        """What is left of it."""
        return self._left.pop((program, place))

    def forget(self, program: int | None = None) -> None:
        """Nobody wants more of what a program has begun; None: of any."""
        for key in [key for key in self._left if program is None or key[0] == program]:
            close = getattr(self._left.pop(key), "close", None)
            # What a user's `finally` raises concerns nobody any more, and must not keep the others open.
            with contextlib.suppress(Exception):
                if close is not None:
                    close()


def first_chunk(value: object, skip: int) -> tuple[object, Iterator[object] | None]:
    """The beginning of a result, behind the first `skip` of its items, and what is left of it; None: nothing is."""
    if isinstance(value, Iterator):
        left = value
    elif type(value) in (list, tuple) and (skip or len(value) > CHUNK_ITEMS):  # type: ignore[arg-type]  # it is one
        left = iter(value)  # type: ignore[call-overload]  # the same
    else:
        return value, None
    for _ in range(skip):
        next(left, None)
    return next_chunk(left)


def next_chunk(left: Iterator[object]) -> tuple[list[object], Iterator[object] | None]:
    """The next items, as many as are worth a message, and the iterator if it may have more."""
    items: list[object] = []
    nbytes, until = 0, time.perf_counter() + _PIECE_SECONDS
    for item in left:
        items.append(item)
        nbytes += object_size(item)
        if len(items) >= CHUNK_ITEMS or nbytes >= CHUNK_BYTES or time.perf_counter() > until:
            return items, left
    return items, None


def parts_of(value: object) -> Iterable[object]:
    """A result in this process: an iterator one by one, as it is asked; everything else as it is."""
    return ([item] for item in value) if isinstance(value, Iterator) else (value,)
