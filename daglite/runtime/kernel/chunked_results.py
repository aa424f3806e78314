"""Send the result of a task for one item in chunks, so that it need not be in memory as a whole.

    worker       keeps the iterator of the result open; the batch ends with a `ResultChunk` of it
    coordinator  sends `ContinueResult` to the same worker when the chunk is used up, or when there is room for another
    a new worker starts the task again, and `SkipItems` tells it how many items are known already

All of them are items of ordinary batches. A generator that is drained as a whole is sent in chunks of the same size.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterable, Iterator

from daglite.records import record
from daglite.runtime.serialization.codec import object_size

# A chunk is full at one of these bounds.
CHUNK_ITEMS = 1024
CHUNK_BYTES = 256 * 1024
_CHUNK_SECONDS = 0.02


@record
class ResultChunk:
    """Items of a result; more of it follows."""

    items: list[object]


@record
class ContinueResult:
    """Ask for the next chunk, in the place of the item."""


@record
class SkipItems:
    """Ask to leave out the first `count` items of the result, before the item itself."""

    count: int


class OpenIterators:
    """Iterators of unfinished results, by program and place of the item."""

    def __init__(self) -> None:
        self._iterators: dict[tuple[int, int], Iterator[object]] = {}

    def keep(self, program: int, place: int, rest: Iterator[object]) -> None:
        """Keep the iterator of the rest of a result."""
        self._iterators[program, place] = rest

    def take(self, program: int, place: int) -> Iterator[object]:
        """Remove and return the iterator of the rest of a result; raises `KeyError` when there is none."""
        return self._iterators.pop((program, place))

    def forget(self, program: int | None = None) -> None:
        """Close the iterators of a program, None: of all programs."""
        for key in [key for key in self._iterators if program is None or key[0] == program]:
            close = getattr(self._iterators.pop(key), "close", None)
            # An error in the `finally` of a generator must not keep the others open.
            with contextlib.suppress(Exception):
                if close is not None:
                    close()


def first_chunk(value: object, skip: int) -> tuple[object, Iterator[object] | None]:
    """Return the beginning of a result without its first `skip` items, and the iterator of the rest, if any."""
    if isinstance(value, Iterator):
        rest = value
    elif type(value) in (list, tuple) and (skip or len(value) > CHUNK_ITEMS):  # type: ignore[arg-type]  # it is one
        rest = iter(value)  # type: ignore[call-overload]  # the same
    else:
        return value, None
    for _ in range(skip):
        next(rest, None)
    return next_chunk(rest)


def next_chunk(rest: Iterator[object]) -> tuple[list[object], Iterator[object] | None]:
    """Return the next items of a result, and the iterator if it may have more."""
    items: list[object] = []
    return items, rest if fill_chunk(items, rest) else None


def fill_chunk(
    chunk: list[object],
    items: Iterator[object],
    serialize: Callable[[object], object] | None = None,
    size_of: Callable[[object], int] = object_size,
) -> bool:
    """Append items to a chunk until it is full; return False at the end of the items."""
    nbytes, until = 0, time.perf_counter() + _CHUNK_SECONDS
    for item in items:
        added = item if serialize is None else serialize(item)
        chunk.append(added)
        nbytes += size_of(added)
        if len(chunk) >= CHUNK_ITEMS or nbytes >= CHUNK_BYTES or time.perf_counter() > until:
            return True
    return False


def parts_of(value: object) -> Iterable[object]:
    """Return a result in this process in lists of one item if it is an iterator, everything else as it is."""
    return ([item] for item in value) if isinstance(value, Iterator) else (value,)
