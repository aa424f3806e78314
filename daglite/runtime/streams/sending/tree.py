"""Which neighbouring parts of a fold are put together next. Pure: it starts nothing and waits for nothing.

Parts that came first are older, and larger once they have been put together, as the digits of a counter are:

    0 0 0 0 0 0 0 0 | 1   1   1   1   1   1   1   1 | 2 ...

As soon as `fan_in` neighbours of one level are there they become one of the next level, so that of n parts some
fan_in * log n are left. Only neighbours are put together, in their order, so `combine` need not commute.
"""

from __future__ import annotations

import itertools
from collections.abc import Collection, Iterator, Sequence
from typing import Generic, NamedTuple, TypeVar

__all__ = ["FAN_IN", "Merging", "Node", "Tree"]

H = TypeVar("H")

# More would take fewer merges, and more memory in the worker that has all of them at once.
FAN_IN = 8


class Node(Generic[H]):
    """A part, of the items at positions from `first` up to `end`."""

    __slots__ = ("busy", "end", "first", "level", "part")

    def __init__(self, first: int, end: int, part: H, level: int = 0) -> None:
        self.first = first
        self.end = end
        self.part = part
        self.level = level
        # Whether it is being put together with others.
        self.busy = False


class Merging(NamedTuple, Generic[H]):
    """Neighbours that become one; with `home` nothing else is left, and what comes of them leaves the tree."""

    nodes: Sequence[Node[H]]
    home: bool

    @property
    def range(self) -> tuple[int, int]:
        """The positions of the items that are in it."""
        return self.nodes[0].first, self.nodes[-1].end


class Tree(Generic[H]):
    """The parts that there are. What is lost leaves a gap, which is filled when it has been made again."""

    def __init__(self, fan_in: int = FAN_IN) -> None:
        self.closed = False
        # The positions of all items that belong here.
        self.first = self.end = 0
        self._fan_in = fan_in
        self._nodes: list[Node[H]] = []
        self._any = False

    def __len__(self) -> int:
        return len(self._nodes)

    def add(self, first: int, end: int, part: H) -> None:
        """A part is there, behind all others or where one was lost."""
        if not self._any:
            self.first = self.end = first
            self._any = True
        self.end = max(self.end, end)
        self._insert(Node(first, end, part))

    def close(self) -> None:
        """No more parts will come, other than those that were lost."""
        self.closed = True

    def merge(self) -> Merging[H] | None:
        """The next neighbours to be put together; they are busy from now on. None: there is nothing to do now."""
        if self.closed and self._whole():
            return self._begun(self._nodes, home=True)
        for run in self._runs():
            if len(run) >= self._fan_in:
                return self._begun(run[: self._fan_in], home=False)
        return None

    def done(self, merging: Merging[H], part: H) -> None:
        """The neighbours are one part now."""
        first, end = merging.range
        self._take_out(merging.nodes)
        self._insert(Node(first, end, part, 1 + max(node.level for node in merging.nodes)))

    def arrived(self, merging: Merging[H]) -> None:
        """What came of the last ones has left."""
        self._take_out(merging.nodes)

    def lost(self, merging: Merging[H], gone: Collection[int]) -> list[tuple[int, int]]:
        """It came to nothing: the nodes with these numbers are gone, the others are there as before.

        Returns the positions that must be made again.
        """
        for node in merging.nodes:
            node.busy = False
        missing = [merging.nodes[number] for number in sorted(gone)]
        self._take_out(missing)
        return [(node.first, node.end) for node in missing]

    def _insert(self, node: Node[H]) -> None:
        nodes = self._nodes
        place = len(nodes)
        # As a rule it is the last one.
        while place and nodes[place - 1].first > node.first:
            place -= 1
        nodes.insert(place, node)

    def _take_out(self, nodes: Sequence[Node[H]]) -> None:
        out = set(map(id, nodes))
        self._nodes = [node for node in self._nodes if id(node) not in out]

    def _whole(self) -> bool:
        """Whether few enough are left, with no gap and nothing under way."""
        nodes = self._nodes
        if not 0 < len(nodes) <= self._fan_in or nodes[0].first != self.first or nodes[-1].end != self.end:
            return False
        return not any(node.busy for node in nodes) and all(
            one.end == other.first for one, other in itertools.pairwise(nodes)
        )

    def _runs(self) -> Iterator[list[Node[H]]]:
        """Neighbours that may be put together: of one level, as long as more will come."""
        run: list[Node[H]] = []
        for node in self._nodes:
            fits = not run or (run[-1].end == node.first and (self.closed or run[-1].level == node.level))
            if node.busy or not fits:
                if run:
                    yield run
                run = []
            if not node.busy:
                run.append(node)
        if run:
            yield run

    def _begun(self, nodes: Sequence[Node[H]], *, home: bool) -> Merging[H]:
        merging = Merging(tuple(nodes), home)
        for node in merging.nodes:
            node.busy = True
        return merging
