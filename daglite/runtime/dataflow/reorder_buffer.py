"""In which order results go on: source order, or as they complete. Pure bookkeeping."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Sequence
from typing import Generic, NamedTuple, TypeVar

from daglite.runtime.kernel.retry import ItemFailure

V = TypeVar("V")


class BatchResult(NamedTuple, Generic[V]):
    """Results of consecutive items: the first one's index, how many, the values, their bytes.

    `marks` says of each item how many of the values are its own; None: all have equally many. An entry of size 0 is a
    part of what comes of the item `first`: its index, and the part. `item_failures` are those of the items that failed and
    did not end the run.
    """

    first: int
    size: int
    values: V
    nbytes: int
    marks: Sequence[int] | None = None
    item_failures: Sequence[ItemFailure] = ()


class ReorderBuffer(Generic[V]):
    """Holds results until it is their turn; unordered, it is always their turn."""

    __slots__ = ("_next", "_parts", "_ready", "_waiting", "ordered")

    def __init__(self, *, ordered: bool, first: int = 0) -> None:
        """`first` is the index of the first item that comes here."""
        self.ordered = ordered
        self._next = first
        self._ready: deque[BatchResult[V]] = deque()
        self._waiting: dict[int, BatchResult[V]] = {}
        self._parts: dict[int, list[BatchResult[V]]] = {}

    def __len__(self) -> int:
        return len(self._ready) + len(self._waiting) + len(self._parts)

    def add(self, entry: BatchResult[V]) -> None:
        """Take results in; entries never overlap and together leave no gap."""
        if not entry.size:
            return
        if not self.ordered:
            self._ready.append(entry)
            return
        if entry.first == self._next and not self._waiting and not self._parts:
            # Nearly always: there is nothing that it could let go.
            self._ready.append(entry)
            self._next += entry.size
            return
        self._waiting[entry.first] = entry
        while (turn := self._waiting.pop(self._next, None)) is not None:
            self._ready.append(turn)
            self._next += turn.size
            if self._parts:
                self._ready.extend(self._parts.pop(self._next, ()))

    def add_part(self, part: BatchResult[V]) -> None:
        """Take in a part of what comes of one item, before the entry that ends it."""
        if self.ordered and part.first != self._next:
            self._parts.setdefault(part.first, []).append(part)
        else:
            self._ready.append(part)

    def take(self) -> Iterator[BatchResult[V]]:
        """The results whose turn it is, each once."""
        while self._ready:
            yield self._ready.popleft()
