"""The reorder buffer: results leave it in source order, or as they complete. Pure bookkeeping."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Sequence
from typing import Generic, NamedTuple, TypeVar

from daglite.runtime.kernel.retry import ItemFailure

V = TypeVar("V")


class BatchResult(NamedTuple, Generic[V]):
    """Results of consecutive items: the index of the first, how many items, their values and bytes.

    `marks` is the number of values of each item; None means that all items have the same number. A result of size 0
    is a result chunk of the item `first`: its index and a list. `item_failures` are those of items that failed
    without ending the run.
    """

    first: int
    size: int
    values: V
    nbytes: int
    marks: Sequence[int] | None = None
    item_failures: Sequence[ItemFailure] = ()


class ReorderBuffer(Generic[V]):
    """Holds results until their turn comes. Unordered, each result is ready when it arrives."""

    __slots__ = ("_chunks", "_next", "_ready", "_waiting", "ordered")

    def __init__(self, *, ordered: bool, first: int = 0) -> None:
        """`first` is the index of the first item of all."""
        self.ordered = ordered
        self._next = first
        self._ready: deque[BatchResult[V]] = deque()
        self._waiting: dict[int, BatchResult[V]] = {}
        # Result chunks by the index of their item.
        self._chunks: dict[int, list[BatchResult[V]]] = {}

    def __len__(self) -> int:
        return len(self._ready) + len(self._waiting) + len(self._chunks)

    def add(self, result: BatchResult[V]) -> None:
        """Add results. They never overlap, and leave no gap once all have arrived."""
        if not result.size:
            return
        if not self.ordered:
            self._ready.append(result)
            return
        if result.first == self._next and not self._waiting and not self._chunks:
            # The common case: nothing waits for this result.
            self._ready.append(result)
            self._next += result.size
            return
        self._waiting[result.first] = result
        while (following := self._waiting.pop(self._next, None)) is not None:
            self._ready.append(following)
            self._next += following.size
            if self._chunks:
                self._ready.extend(self._chunks.pop(self._next, ()))

    def add_chunk(self, chunk: BatchResult[V]) -> None:
        """Add a result chunk of one item, before the result that ends it."""
        if self.ordered and chunk.first != self._next:
            self._chunks.setdefault(chunk.first, []).append(chunk)
        else:
            self._ready.append(chunk)

    def take(self) -> Iterator[BatchResult[V]]:
        """Yield the results that are ready, each once."""
        while self._ready:
            yield self._ready.popleft()
