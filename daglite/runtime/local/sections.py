"""Several segments of a stream in this process, one after the other, pulled in sections.

    items --> segment --> operators --> segment --> operators | --> segment --> ...
    in a section each iterator pulls the one before it        | each item is gone through before the next is pulled

A section ends where one item becomes several, or where the chain of iterators is as deep as Python's calls may be. An
iterator of a section gives at most one item for each that it is given. So whenever a section has given an item, no
other is on its way in it: the stream may move to workers then. Operators keep their state in themselves, and all
other items wait in front of a section.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import chain, compress, islice, repeat
from operator import length_hint
from typing import Final

from daglite.runtime.dataflow.operator_chain import DEEP, OperatorChain
from daglite.runtime.dataflow.segment import PriorOutput
from daglite.runtime.local.executor import LocalDriver

_NOTHING: Final = object()
_ALL = sys.maxsize


class LocalSegment:
    """The tasks of one segment and the operators after it.

    `spreads`: the last task may give an iterator, which is pulled item by item. `expands`: the operators may make
    several items of one.
    """

    def __init__(self, driver: LocalDriver, operator_chain: OperatorChain, *, spreads: bool, expands: bool) -> None:
        self.driver = driver
        self.operator_chain = operator_chain
        self.spreads = spreads
        self.expands = expands
        # Whether the tasks that are called now are the timed ones.
        self.timed = False
        # Items are counted by the ticks that are used up, after those that came before.
        self._before = 0
        self._ticks = repeat(True, _ALL)

    def results(self, items: Iterator[object]) -> Iterator[object]:
        """Return the results of these items."""
        self._before, self._ticks, self.timed = self.count(), repeat(True, _ALL), self.driver.timed
        return self.driver.results(compress(items, self._ticks))

    def results_of(self, item: object) -> Iterator[object]:
        """Return the results of one item, which is counted at once."""
        self.count()
        self.timed = self.driver.timed
        results = self.driver.results(iter((item,)))
        self._before += 1
        return results

    def count(self) -> int:
        """Return how many items have come."""
        self.driver.source.count = self._before + _used(self._ticks)
        return self.driver.source.count


@dataclass(eq=False, repr=False, slots=True)
class PendingItems:
    """Items in front of a segment. `section` pulls up to `size` of them; those that it has taken used up `ticks`."""

    segment: int
    items: Iterator[object]
    section: Iterator[object] | None = None
    size: int = 0
    ticks: repeat[bool] = field(default_factory=lambda: repeat(True, _ALL))


class Sections:
    """All segments with operators after them. Their outputs go to the caller of `step`, or are iterated."""

    def __init__(
        self, items: Iterator[object], segments: Sequence[LocalSegment], close_source: Callable[[], None]
    ) -> None:
        """`close_source` closes what gives the items, when operators have seen enough."""
        self.segments = segments
        self.over = False
        # The items that wait, those nearest to the end of the stream last.
        self.pending = [PendingItems(0, items)]
        # The operators of the segments before this one have given all that they kept.
        self.finished = 0
        self._close_source = close_source
        self._ends = [self._find_end(first) for first in range(len(segments) + 1)]

    def __iter__(self) -> Iterator[object]:
        while not self.over:
            last = self.pending[-1]
            if self._ends[last.segment] is None:
                yield from self._pull(last.segment, len(self.segments), last.items)
                self._pop()
            else:
                self.step(_ALL, _unreachable)

    def step(self, size: int, consume: Callable[[Iterator[object]], object]) -> int:
        """Take up to `size` of the pending items nearest to the end through their section; return how many.

        `consume` gets the outputs of the last section. An output of another section becomes pending.
        """
        last = self.pending[-1]
        end, section = self._ends[last.segment], last.section
        if section is None:
            last.size, last.ticks = size, repeat(True, _ALL)
            items = compress(islice(last.items, size), last.ticks)
            if end is None:
                consume(self._pull(last.segment, len(self.segments), items))
                return self._taken(last)
            number, before_tasks = end
            last.section = section = self._pull(
                last.segment, number + (not before_tasks), items, last_operators=before_tasks
            )
        item = next(section, _NOTHING)
        if item is _NOTHING:
            last.section = None
            return self._taken(last)
        assert end is not None
        self._expand(item, *end)
        return 1

    def _expand(self, item: object, number: int, before_tasks: bool) -> None:
        """Let the outputs of one item wait in front of the next segment."""
        segment = self.segments[number]
        if not before_tasks:
            self.pending.append(PendingItems(number + 1, segment.operator_chain.some(iter((item,)))))
            return
        outputs = segment.operator_chain.some(segment.results_of(item))
        # At once: this copies the item, and the generator that gave it may change it before the rest is pulled.
        first = next(outputs, _NOTHING)
        if first is not _NOTHING:
            self.pending.append(PendingItems(number + 1, chain((first,), outputs)))

    @property
    def drained(self) -> bool:
        """Whether no more items of the source are needed."""
        return not self.pending or self.pending[0].segment > 0

    def prior_outputs(self, last: int) -> list[PriorOutput]:
        """Return what the operators after each segment have given, for workers that go on; the last gave `last`."""
        rest = {one.segment: one.items for one in self.pending}
        counts = [*(segment.count() for segment in self.segments[1:]), last]
        return [PriorOutput(count, rest.get(number)) for number, count in enumerate(counts, start=1)]

    def _taken(self, last: PendingItems) -> int:
        count = _used(last.ticks)
        if count < last.size:
            self._pop()
        return count

    def _pop(self) -> None:
        """Drop pending items that are used up; go on with those before them, or with what operators have kept."""
        self.pending.pop()
        done = max([number for number, segment in enumerate(self.segments) if segment.operator_chain.done], default=-1)
        if done >= self.finished:
            self._close_source()
            self.pending = [one for one in self.pending if one.segment > done]
            self.finished = done
        while not self.pending and self.finished < len(self.segments):
            kept = self.segments[self.finished].operator_chain.finish()
            self.finished += 1
            self.pending.append(PendingItems(self.finished, kept))
        self.over = not self.pending

    def _pull(self, first: int, end: int, items: Iterator[object], *, last_operators: bool = True) -> Iterator[object]:
        """Return what the segments from `first` up to `end` make of items, with the last operators or without."""
        if first == end == 0:
            # No loop over tasks names the source when it fails.
            return self.segments[0].driver.source.named(items)
        for segment in self.segments[first:end]:
            items = segment.results(items)
            if last_operators or segment is not self.segments[end - 1]:
                items = segment.operator_chain.some(items)
        return items

    def _find_end(self, first: int) -> tuple[int, bool] | None:
        """Return the segment in which a section ends, and whether before its tasks; None: it is the last section."""
        depth = 0
        for number in range(first, len(self.segments)):
            segment = self.segments[number]
            if segment.spreads:
                return number, True
            depth += 1 + len(segment.operator_chain.operators)
            if segment.expands or depth > DEEP:
                return number, False
        return None


def _used(ticks: repeat[bool]) -> int:
    return _ALL - length_hint(ticks)


def _unreachable(_: object) -> None:
    raise AssertionError("only the last section gives its outputs to the consumer")
