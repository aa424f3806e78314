"""Several legs in this process, one behind the other: pulled in sections, so that there are moments without anything
half done, and never more calls inside one another than Python allows.

    items --> leg --> operations --> leg --> operations | --> leg --> ...
    a section: each asks the one before it              | each item is gone through before the next is asked for

A section ends where an item is taken apart, or where it has become long. What pulls gives one item at most for each it
is given, so whenever it has given one nothing is on its way in the section: operations keep what they keep in
themselves, and everything else waits in front of a section.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Sequence
from itertools import chain, compress, islice, repeat
from operator import length_hint
from typing import Any, Final

from daglite.runtime.dataflow.bound_segments import asked
from daglite.runtime.dataflow.exchange import PriorOutput
from daglite.runtime.dataflow.operator_chain import DEEP, OperatorChain
from daglite.runtime.local.executor import LocalDriver

_NOTHING: Final = object()
_ALL = sys.maxsize


class LocalSegment:
    """The tasks of one leg, and the operations behind it.

    Its tasks may be called in another way for a while, with a clock: as `calls`. `spreads`: its last one gives items
    one by one; `apart`: the operations may make several items of one.
    """

    def __init__(self, flow: LocalDriver, pipe: OperatorChain, *, spreads: bool, apart: bool) -> None:
        self.flow = flow
        self.pipe = pipe
        self.spreads = spreads
        self.apart = apart
        self.calls: Sequence[Callable[[Any], Any]] | None = None
        # Whether those that are at work now are called so.
        self.timed = False
        # How many had come before those that are counted by ticks.
        self._base = 0
        self._ticks = repeat(True, _ALL)

    @property
    def depth(self) -> int:
        """How many iterators it puts on the way."""
        return 1 + len(self.pipe.operators)

    def through(self, items: Iterator[object]) -> Iterator[object]:
        """The results of these items."""
        self._base, self._ticks, self.timed = self.count(), repeat(True, _ALL), self.calls is not None
        return self.flow.results(compress(items, self._ticks), self.calls)

    def alone(self, item: object) -> Iterator[object]:
        """The results of one item, which counts from now on, whenever they are asked for."""
        self.count()
        self.timed = self.calls is not None
        results = self.flow.results(iter((item,)), self.calls)
        self._base += 1
        return results

    def count(self) -> int:
        """How many items have come."""
        self.flow.source.count = self._base + _gone(self._ticks)
        return self.flow.source.count


class WaitingItem:
    """Items in front of a leg; of those in a section so many have been let in as `ticks` are gone."""

    __slots__ = ("chain", "executor", "items", "size", "ticks")

    def __init__(self, executor: int, items: Iterator[object]) -> None:
        self.executor = executor
        self.items = items
        self.chain: Iterator[object] | None = None
        self.size = 0
        self.ticks = repeat(True, _ALL)


class Sections:
    """All of it. What comes out behind the last operations goes to an `end`, or is asked for.

    `close_front` closes the source, when operations have seen enough.
    """

    def __init__(
        self, items: Iterator[object], executors: Sequence[LocalSegment], close_front: Callable[[], None]
    ) -> None:
        self.executors = executors
        self.over = False
        # What waits, the nearest to the ending last.
        self.waiting = [WaitingItem(0, items)]
        # The operations behind legs before this one have given all that they kept.
        self.finished = 0
        self._close_front = close_front
        self._stops: dict[int, tuple[int, bool] | None] = {}

    def __iter__(self) -> Iterator[object]:
        while not self.over:
            last = self.waiting[-1]
            if self._stop(last.executor) is None:
                yield from self._pull(last.executor, len(self.executors), last.items)
                self._leave()
            else:
                self.step(_ALL, _never)

    def step(self, size: int, end: Callable[[Iterator[object]], object]) -> int:
        """Let up to `size` of the items in that are nearest to the ending; how many it were.

        What comes of them goes to the `end`, or one of them waits to be gone through.
        """
        last = self.waiting[-1]
        stop, section = self._stop(last.executor), last.chain
        if section is None:
            last.size, last.ticks = size, repeat(True, _ALL)
            items = compress(islice(last.items, size), last.ticks)
            if stop is None:
                end(self._pull(last.executor, len(self.executors), items))
                return self._let_in(last)
            number, whole = stop
            last.chain = section = self._pull(last.executor, number + (not whole), items, piped=whole)
        item = next(section, _NOTHING)
        if item is _NOTHING:
            last.chain = None
            return self._let_in(last)
        assert stop is not None
        self._open(item, *stop)
        return 1

    def _open(self, item: object, number: int, whole: bool) -> None:
        """What comes of one item waits in front of the next leg."""
        executor = self.executors[number]
        if not whole:
            self.waiting.append(WaitingItem(number + 1, executor.pipe.some(iter((item,)))))
            return
        parts = executor.pipe.some(executor.alone(item))
        # At once: the item is copied by that, and the generator that gave it may go on before the rest is asked for.
        first = next(parts, _NOTHING)
        if first is not _NOTHING:
            self.waiting.append(WaitingItem(number + 1, chain((first,), parts)))

    @property
    def drained(self) -> bool:
        """Whether all items of the source have been taken, or nobody wants more of them."""
        return not self.waiting or self.waiting[0].executor > 0

    def past(self, last: int) -> list[PriorOutput]:
        """What has come out of the operations behind each leg, for legs on workers that go on; `last` came of all."""
        rest = {one.executor: one.items for one in self.waiting}
        came = [*(executor.count() for executor in self.executors[1:]), last]
        return [PriorOutput(count, rest.get(number)) for number, count in enumerate(came, start=1)]

    def _let_in(self, last: WaitingItem) -> int:
        count = _gone(last.ticks)
        if count < last.size:
            self._leave()
        return count

    def _leave(self) -> None:
        """No more waits there: go on with what waits in front of that, or with what operations have kept."""
        self.waiting.pop()
        enough = max([number for number, executor in enumerate(self.executors) if executor.pipe.done], default=-1)
        if enough >= self.finished:
            self._close_front()
            self.waiting = [one for one in self.waiting if one.executor > enough]
            self.finished = enough
        while not self.waiting and self.finished < len(self.executors):
            left = self.executors[self.finished].pipe.finish()
            self.finished += 1
            self.waiting.append(WaitingItem(self.finished, left))
        self.over = not self.waiting

    def _pull(self, first: int, end: int, items: Iterator[object], *, piped: bool = True) -> Iterator[object]:
        """What these legs make of items in front of the first; of the last one without the operations behind it."""
        if first == end == 0:
            # No loop of tasks stands here that would say who failed.
            return asked(self.executors[0].flow.source, items)
        for executor in self.executors[first:end]:
            items = executor.through(items)
            if piped or executor is not self.executors[end - 1]:
                items = executor.pipe.some(items)
        return items

    def _stop(self, first: int) -> tuple[int, bool] | None:
        """The leg at which a section ends, and whether it ends before its tasks; None: it goes to the ending."""
        if first not in self._stops:
            self._stops[first] = self._found_stop(first)
        return self._stops[first]

    def _found_stop(self, first: int) -> tuple[int, bool] | None:
        depth = 0
        for number in range(first, len(self.executors)):
            executor = self.executors[number]
            if executor.spreads:
                return number, True
            depth += executor.depth
            if executor.apart or depth > DEEP:
                return number, False
        return None


def _gone(ticks: repeat[bool]) -> int:
    return _ALL - length_hint(ticks)


def _never(_: object) -> None:
    raise AssertionError("a section that ends before the ending gives it nothing")
