"""The segments of a stream bound to what a run has: operators, calls, savers. And a whole stream as iterators."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from types import FrameType
from typing import NamedTuple

from daglite.exceptions import Failure
from daglite.program import Segment
from daglite.runtime.dataflow.operator_chain import ChainedItems, OperatorChain
from daglite.runtime.dataflow.saves import Saver
from daglite.runtime.dataflow.source import Source
from daglite.runtime.kernel.errors import blame
from daglite.runtime.kernel.steps import BoundStep
from daglite.runtime.kernel.timers import StepTimer, TimedItems
from daglite.runtime.serialization.batch_format import SCALARS
from daglite.runtime.serialization.codec import ItemCodec
from daglite.task_context import CurrentCall, register_reader


class BoundSegment(NamedTuple):
    """A segment of which everything is there: its operations as one pipe (None where it has none), then its links, each
    with its saver.
    """

    pipe: OperatorChain | None
    links: list[BoundStep]
    savers: list[Saver | None]


def front(source: Source, *, codec: ItemCodec | None, timer: StepTimer | None) -> Iterator[object]:
    """The items of a source for an operation beside it: saved, and with a `codec` copied as they are yielded.

    `timer` is a clock for all of that.
    """
    plain = source.saver is None and codec is None
    items = asked(source, source.items) if plain else _front(source, codec)
    return items if timer is None else TimedItems(items, timer)


def _front(source: Source, codec: ItemCodec | None) -> Iterator[object]:
    saver, place = source.saver, 0
    try:
        for item in source.items:
            if saver is not None:
                saver(place, item)
            yield item if codec is None or type(item) in SCALARS else source.copied(item, place)
            place += 1
    except Exception as error:
        blame(error, Failure(source.name, source.number))
        raise


def asked(source: Source, items: Iterator[object]) -> Iterator[object]:
    """Items of a source as they are; what it raises is said of it."""
    try:
        yield from items
    except Exception as error:
        blame(error, Failure(source.name, source.number))
        raise


def _at_source(frame: FrameType) -> CurrentCall | None:
    source: Source = frame.f_locals["source"]
    return source.at_work()


register_reader(_front, _at_source)
register_reader(asked, _at_source)


def piped(
    source: Source,
    segment: Segment,
    pipe: OperatorChain,
    codec: ItemCodec | None,
    *,
    copied_by: ItemCodec | None,
    timer: StepTimer | None,
) -> Source:
    """What a pipe makes of the items of a source, as a source. With `copied_by` each is copied before it goes in.

    `timer` is a clock for the items before.
    """
    step = segment.operations[-1].step
    items = ChainedItems(front(source, codec=copied_by, timer=timer), pipe, source.close)
    return Source(items, name=step.function.name, number=step.number, saver=None, codec=codec)


class ClosingIterator:
    """An iterator that also closes what stands in front of it."""

    def __init__(self, items: Iterator[object], close_front: Callable[[], None]) -> None:
        self._items = items
        self._close_front = close_front

    def __iter__(self) -> Iterator[object]:
        # Nothing of this stands between two items.
        return self._items

    def __next__(self) -> object:
        return next(self._items)

    def close(self) -> None:
        """End here and in front."""
        try:
            close = getattr(self._items, "close", None)
            if close is not None:
                close()
        finally:
            self._close_front()
