"""What the operations of a stream mean, each told in a few lines over any iterable. Pure; the truth for all runtimes.

The runtime feeds items one by one instead (see `runtime.operators`); a law holds the two together.
"""

from __future__ import annotations

import builtins
import itertools
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from typing import Literal, TypeAlias, TypeVar

T = TypeVar("T")
U = TypeVar("U")
K = TypeVar("K")

OperationKind = Literal[
    "batch", "distinct", "enumerate", "group_by", "skip", "take", "take_while", "unbatch", "window", "zip"
]
Ask: TypeAlias = Callable[[T], K]


def batch(items: Iterable[T], n: int) -> Iterator[list[T]]:
    """Lists of `n` items; the last one may be shorter."""
    left = iter(items)
    while some := list(itertools.islice(left, n)):
        yield some


def unbatch(items: Iterable[Iterable[T]]) -> Iterator[T]:
    """What each item holds, one after the other."""
    return itertools.chain.from_iterable(items)


def enumerate(items: Iterable[T]) -> Iterator[tuple[int, T]]:
    """Each item behind its number, from 0."""
    return builtins.enumerate(items)


def skip(items: Iterable[T], n: int) -> Iterator[T]:
    """All but the first `n`."""
    return itertools.islice(items, n, None)


def take(items: Iterable[T], n: int) -> Iterator[T]:
    """The first `n`."""
    return itertools.islice(items, n)


def take_while(items: Iterable[T], task: Ask[T, object]) -> Iterator[T]:
    """Those before the first of which the task says no."""
    return itertools.takewhile(task, items)


def window(items: Iterable[T], n: int, step: int = 1) -> Iterator[list[T]]:
    """Lists of `n` neighbours, one beginning at every `step`-th item; whole ones only."""
    held: deque[T] = deque(maxlen=n)
    for count, item in builtins.enumerate(items, 1):
        held.append(item)
        if count >= n and (count - n) % step == 0:
            yield list(held)


def distinct(items: Iterable[T], key: Ask[T, object] | None = None) -> Iterator[T]:
    """Each the first time that it, or its key, comes."""
    seen = set[object]()
    for item in items:
        found = item if key is None else key(item)
        if found not in seen:
            seen.add(found)
            yield item


def group_by(items: Iterable[T], key: Ask[T, K]) -> Iterator[tuple[K, list[T]]]:
    """Neighbours with the same key as a list, behind that key."""
    for found, group in itertools.groupby(items, key):
        yield found, list(group)


def zip(items: Iterable[T], other: Iterable[U]) -> Iterator[tuple[T, U]]:
    """Each item with that of another stream at its place, up to the end of the shorter one."""
    return builtins.zip(items, other, strict=False)


MEANINGS: dict[OperationKind, Callable[..., Iterator[object]]] = {
    "batch": batch,
    "distinct": distinct,
    "enumerate": enumerate,
    "group_by": group_by,
    "skip": skip,
    "take": take,
    "take_while": take_while,
    "unbatch": unbatch,
    "window": window,
    "zip": zip,
}
