"""A sequence that grows at its end without a copy: what a chain of maps is fused into, one link after the other.

A tuple would be copied for each link that is added, and every shorter one lives until the graph is rewritten: a chain
of 10,000 steps would take half a gigabyte. Here all of them share one list, and each knows how much of it is its own.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import TypeVar, overload

T = TypeVar("T")


class LinkedSequence(Sequence[T]):
    """An immutable sequence; `plus` gives a longer one."""

    __slots__ = ("_length", "_shared")

    def __init__(self, items: Iterable[T] = ()) -> None:
        self._shared = list(items)
        self._length = len(self._shared)

    def plus(self, item: T) -> LinkedSequence[T]:
        """The same with one more at the end; takes constant time unless this one was extended before."""
        longer: LinkedSequence[T] = LinkedSequence.__new__(LinkedSequence)
        shared = self._shared if len(self._shared) == self._length else self._shared[: self._length]
        shared.append(item)
        longer._shared, longer._length = shared, self._length + 1
        return longer

    def __len__(self) -> int:
        return self._length

    def __iter__(self) -> Iterator[T]:
        return iter(self._shared[: self._length])

    @overload
    def __getitem__(self, place: int) -> T: ...
    @overload
    def __getitem__(self, place: slice) -> tuple[T, ...]: ...
    def __getitem__(self, place: int | slice) -> T | tuple[T, ...]:
        return tuple(self._shared[: self._length])[place] if isinstance(place, slice) else self._shared[self._at(place)]

    def _at(self, place: int) -> int:
        found = place + self._length if place < 0 else place
        if not 0 <= found < self._length:
            raise IndexError(f"no link {place} among {self._length}")
        return found

    def __repr__(self) -> str:
        return f"Links({list(self)!r})"
