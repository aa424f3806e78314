"""Segments of a stream bound to the objects of a run, and a stream as a chain of iterators."""

from __future__ import annotations

from collections.abc import Iterator
from types import FrameType
from typing import NamedTuple

from daglite.exceptions import Failure
from daglite.runtime.dataflow.operator_chain import OperatorChain
from daglite.runtime.dataflow.saves import Saver
from daglite.runtime.dataflow.source import Source
from daglite.runtime.kernel.bound_step import BoundStep
from daglite.runtime.kernel.errors import attach_facts
from daglite.runtime.kernel.timers import StepTimer, TimedItems
from daglite.runtime.serialization.batch_format import SCALARS
from daglite.runtime.serialization.codec import ItemCodec
from daglite.task_context import CurrentCall, register_reader


class BoundSegment(NamedTuple):
    """A segment with its operators as one chain (None if it has none), its steps, and a saver for each step."""

    pipe: OperatorChain | None
    links: list[BoundStep]
    savers: list[Saver | None]


def front(source: Source, *, codec: ItemCodec | None, timer: StepTimer | None) -> Iterator[object]:
    """Yield the items of a source to an operator in this process: saved, and copied if there is a `codec`.

    `timer` measures all of that.
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
        attach_facts(error, Failure(source.name, source.number))
        raise


def asked(source: Source, items: Iterator[object]) -> Iterator[object]:
    """Yield the items of a source as they are; an error gets the facts of the source."""
    try:
        yield from items
    except Exception as error:
        attach_facts(error, Failure(source.name, source.number))
        raise


def _at_source(frame: FrameType) -> CurrentCall | None:
    source: Source = frame.f_locals["source"]
    return source.at_work()


register_reader(_front, _at_source)
register_reader(asked, _at_source)
