"""A sequence that grows at its end without a copy: the links of a composite, which a rule adds one by one.

A tuple would be copied for each link that is added, and every shorter one lives until the graph is rewritten: a chain
of 10,000 steps would take half a gigabyte. These sequences share one list, and each knows its own length.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import TypeVar, overload

T = TypeVar("T")


class LinkedSequence(Sequence[T]):
    """An immutable sequence; `plus` returns a longer one."""

    __slots__ = ("_length", "_shared")

    def __init__(self, items: Iterable[T] = ()) -> None:
        self._shared = list(items)
        self._length = len(self._shared)

    def plus(self, item: T) -> LinkedSequence[T]:
        """Return the sequence with one more item; takes constant time unless this one was extended before."""
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
    def __getitem__(self, index: int) -> T: ...
    @overload
    def __getitem__(self, index: slice) -> tuple[T, ...]: ...
    def __getitem__(self, index: int | slice) -> T | tuple[T, ...]:
        if isinstance(index, slice):
            return tuple(self._shared[: self._length])[index]
        place = index + self._length if index < 0 else index
        if not 0 <= place < self._length:
            raise IndexError(f"no link {index} among {self._length}")
        return self._shared[place]

    def __repr__(self) -> str:
        return f"LinkedSequence({list(self)!r})"
