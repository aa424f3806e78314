"""The segments of a stream bound to what a run has: operators, calls, savers. And a whole stream as iterators."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from types import FrameType
from typing import TYPE_CHECKING, NamedTuple, cast

from daglite.exceptions import Failure
from daglite.here import AtWork, registered
from daglite.lazy import lazy
from daglite.program import Operation, Segment, StreamStage
from daglite.runtime.awaiting import PrivateLoop
from daglite.runtime.chain import BoundStep, bind_step
from daglite.runtime.codec import ItemCodec
from daglite.runtime.context import Context
from daglite.runtime.failures import blame
from daglite.runtime.saving import Saver
from daglite.runtime.streams.operating.operators import Keep, Operator, operator_of, saving
from daglite.runtime.streams.operating.pipe import Pipe, Through
from daglite.runtime.streams.source import Source
from daglite.runtime.travel.cells import SCALARS
from daglite.runtime.watching.tally import Tally, TimedItems

if TYPE_CHECKING:
    from daglite.runtime.watching import clocks
else:
    clocks = lazy("daglite.runtime.watching.clocks")

__all__ = ["BoundSegment", "Closing", "asked", "bind_segments", "front", "piped"]


class BoundSegment(NamedTuple):
    """A segment of which everything is there: its operations as one pipe (None where it has none), then its links, each
    with its saver.
    """

    pipe: Pipe | None
    links: list[BoundStep]
    savers: list[Saver | None]


def bind_segments(context: Context, stage: StreamStage, places: Sequence[int] = ()) -> list[BoundSegment]:
    """The segments of a stream, for one run; `places` are those with workers.

    Tasks of operations run where the state is: up to the first workers beside the source, in its loop; behind them as
    folds do, on the helper thread while the source waits.
    """
    beside = places[0] if places else len(stage.segments)
    return [
        _bound(context, segment, context.loop if number <= beside else context.fold_loop)
        for number, segment in enumerate(stage.segments)
    ]


def front(source: Source, *, codec: ItemCodec | None, tally: Tally | None) -> Iterator[object]:
    """The items of a source for an operation beside it: saved, and with a `codec` copied as they are yielded.

    `tally` is a clock for all of that.
    """
    plain = source.saver is None and codec is None
    items = asked(source, source.items) if plain else _front(source, codec)
    return items if tally is None else TimedItems(items, tally)


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


def _at_source(frame: FrameType) -> AtWork | None:
    source: Source = frame.f_locals["source"]
    return source.at_work()


registered(_front, _at_source)
registered(asked, _at_source)


def piped(
    source: Source,
    segment: Segment,
    pipe: Pipe,
    codec: ItemCodec | None,
    *,
    copied_by: ItemCodec | None,
    tally: Tally | None,
) -> Source:
    """What a pipe makes of the items of a source, as a source. With `copied_by` each is copied before it goes in.

    `tally` is a clock for the items before.
    """
    step = segment.operations[-1].step
    items = Through(front(source, codec=copied_by, tally=tally), pipe, source.close)
    return Source(items, name=step.function.name, number=step.number, saver=None, codec=codec)


class Closing:
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


def _bound(context: Context, segment: Segment, loop: PrivateLoop) -> BoundSegment:
    tallies: list[Tally] | None = [] if context.watch is not None and context.watch.steps else None
    operators = [part for operation in segment.operations for part in _operators(context, operation, loop, tallies)]
    links = [context.bind(link) for link in segment.links]
    savers = [context.book.open(link.saves, bound) for link, bound in zip(segment.links, links, strict=True)]
    return BoundSegment(Pipe(operators, tallies or ()) if operators else None, links, savers)


def _operators(
    context: Context, operation: Operation, loop: PrivateLoop, tallies: list[Tally] | None
) -> Iterator[Operator]:
    """The operation, and what keeps what it gives; `tallies` takes their clock, where there is to be one."""
    step = context.bind(operation.step)
    ask: Callable[[object], object] | None = bind_step(step, loop) if operation.asked else None
    other = () if operation.other is None else cast("Iterable[object]", context.value(operation.other))
    tally = None if tallies is None else Tally(step.number)
    if tally is not None and isinstance(other, Iterator):
        other = clocks.Aside(other, tally)
    operator = operator_of(operation, ask, other)
    saver: Keep | None = context.book.open(operation.step.saves, step)
    if tallies is not None and tally is not None:
        tallies.append(tally)
        operator = clocks.TimedOperator(operator, tally)
        saver = None if saver is None else clocks.timed_saver(saver, tally)
    yield operator
    if saver is not None:
        yield saving(saver)
