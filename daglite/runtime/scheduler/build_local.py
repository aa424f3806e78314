"""Build a stream that runs in this process, without workers.

    source --> operators --> segment --> operators --> ... --> LocalDriver of the last segment --> sink

Each part pulls the one before it. If the calls would be too deep for Python, the parts are divided into `Sections`.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, NamedTuple

from daglite.lazy import lazy
from daglite.operations import spec_of
from daglite.program import MaterialiseStage, Step, StreamOperation
from daglite.runtime.dataflow.bound_segments import BoundSegment, front
from daglite.runtime.dataflow.operator_chain import DEEP, ClosingIterator, OperatorChain
from daglite.runtime.dataflow.sinks import IteratorSink, Sink
from daglite.runtime.dataflow.source import Source
from daglite.runtime.kernel.steps import StepChain
from daglite.runtime.kernel.timers import StepTimer
from daglite.runtime.local.executor import LocalDriver
from daglite.runtime.local.item_copies import ItemCopies
from daglite.runtime.local.sections import LocalSegment, Sections
from daglite.runtime.scheduler.bind_stream import (
    BoundStream,
    local_recorder,
    open_generator,
    open_source,
    operator_source,
    step_source,
)
from daglite.runtime.scheduler.context import RunContext
from daglite.runtime.serialization.codec import ItemCodec

if TYPE_CHECKING:
    import daglite.runtime.dataflow.timed_operators as timed_operators
else:
    timed_operators = lazy("daglite.runtime.dataflow.timed_operators")


def build_local(stream: BoundStream) -> LocalDriver:
    """Return the driver of a stream without workers."""
    context, stage, sink = stream.context, stream.stage, stream.sink
    source, codec, last, timers = _open_last(stream)
    source.nested = stream.scope.nested
    chain = StepChain(last.links, context.loop, retry_tracker=context.retry_tracker)
    recorder = local_recorder(context, stage, source, chain, sink, timers)
    return LocalDriver(
        source,
        chain,
        last.savers,
        sink,
        codec,
        watchful=context.cancellable,
        most=stage.max_results,
        recorder=recorder,
    )


def build_generator(context: RunContext, stage: MaterialiseStage, sink: Sink) -> LocalDriver:
    """Return the driver of a generator that is drained in this process, for plans that are not optimised."""
    # Its items are serialized here only if workers never run it.
    codec = context.codec if stage.step.function.stays else None
    source, chain = open_generator(context, stage.step, codec), StepChain([], context.loop)
    recorder = local_recorder(context, stage, source, chain, sink, ())
    return LocalDriver(source, chain, [], sink, codec, watchful=context.cancellable, recorder=recorder)


def local_items(stream: BoundStream) -> ClosingIterator:
    """Return the results of a stream as an iterator, for a stream that pulls it."""
    source, codec, last, _ = _open_last(stream)
    if last.links:
        source, codec = _results(stream.context, source, last, []), None
    source.nested = stream.scope.nested
    items, most = front(source, codec=codec, timer=None), stream.stage.max_results
    return ClosingIterator(_close_after(items if most is None else itertools.islice(items, most), source), source.end)


def _close_after(items: Iterator[object], source: Source) -> Iterator[object]:
    try:
        yield from items
    finally:
        source.end()


class _LastSegment(NamedTuple):
    """The source of the last segment, and the codec of its items. The steps before it have `timers`."""

    source: Source
    codec: ItemCodec | None
    segment: BoundSegment
    timers: list[StepTimer]


def _open_last(stream: BoundStream) -> _LastSegment:
    """Open the source, and build everything up to the operators of the last segment."""
    context, stage = stream.context, stream.stage
    source, codec = open_source(context, stage, context.codec)
    segments = _join_segments(stream)
    (operations, first), (_, last), timers = segments[0], segments[-1], list[StepTimer]()
    generated = isinstance(stage.source, Step)
    # Items that no task takes cannot change any more, so they need not be serialized.
    last_codec = codec if last.links else None
    if first.pipe is not None:
        timer = StepTimer(source.number) if context.timed and generated else None
        timers += [*([] if timer is None else [timer]), *first.pipe.timers]
        copied_by, codec = codec if generated else None, codec if len(segments) > 1 else last_codec
        source = operator_source(source, first.pipe, operations[-1].step, codec, copied_by=copied_by, timer=timer)
    elif len(segments) > 1 and context.timed and generated:
        timers.append(timed_operators.time_source(source))
    if len(segments) > DEEP + 1:
        return _LastSegment(_build_sections(stream, source, segments, last_codec, timers), last_codec, last, timers)
    for (_, before), (operations, segment) in itertools.pairwise(segments):
        assert segment.pipe is not None, "only operations divide segments here"
        codec = last_codec if segment is last else codec
        results = _results(context, source, before, timers)
        timers += segment.pipe.timers
        source = operator_source(results, segment.pipe, operations[-1].step, codec)
    return _LastSegment(source, codec, last, timers)


_LocalPart = tuple[Sequence[StreamOperation], BoundSegment]


def _join_segments(stream: BoundStream) -> list[_LocalPart]:
    """Return the segments with their operations. Neighbours that differ only in where they would run are joined."""
    parts = list[_LocalPart]()
    for planned, segment in zip(stream.stage.segments, stream.segments, strict=True):
        if segment.pipe is None and parts:
            operations, before = parts.pop()
            links, savers = [*before.links, *segment.links], [*before.savers, *segment.savers]
            parts.append((operations, BoundSegment(before.pipe, links, savers)))
        else:
            parts.append((planned.operations, segment))
    return parts


def _build_sections(
    stream: BoundStream,
    source: Source,
    parts: Sequence[_LocalPart],
    codec: ItemCodec | None,
    timers: list[StepTimer],
) -> Source:
    """Return what the operators of the last of many segments give, as a source."""
    segments, origin = list[LocalSegment](), source
    for (_, before), (operations, segment) in itertools.pairwise(parts):
        assert segment.pipe is not None, "only operations divide segments here"
        local, origin = local_segment(stream.context, origin, before, segment.pipe, operations, operations[-1].step)
        segments.append(local)
        timers += [*local.driver.chain.timers, *segment.pipe.timers]
    items = ClosingIterator(iter(Sections(source.items, segments, source.close)), source.close)
    return step_source(parts[-1][0][-1].step, items, codec)


def local_segment(
    context: RunContext,
    source: Source,
    segment: BoundSegment,
    operators: OperatorChain,
    operations: Sequence[StreamOperation],
    last: Step,
    *,
    fresh: bool = False,
) -> tuple[LocalSegment, Source]:
    """Return a segment with the operators after it, and a source without items that represents their outputs.

    `last` is the step whose outputs these are; `fresh`: nothing else refers to the items of the source.
    """
    driver = _segment_driver(context, source, segment, fresh=fresh)
    expands = any(spec_of(operation.kind).expands for operation in operations)
    local = LocalSegment(driver, operators, spreads=segment.links[-1].spreads, expands=expands)
    return local, step_source(last, iter(()), context.codec)


def _results(context: RunContext, source: Source, segment: BoundSegment, timers: list[StepTimer]) -> Source:
    """Return the results of a segment as a source for the operators after it."""
    driver = _segment_driver(context, source, segment)
    timers += driver.chain.timers
    return step_source(segment.links[-1], ClosingIterator(driver.results(), source.close), None)


def _segment_driver(context: RunContext, source: Source, segment: BoundSegment, *, fresh: bool = False) -> LocalDriver:
    chain = StepChain(segment.links, context.loop, retry_tracker=context.retry_tracker)
    copies = None if context.codec is None else ItemCopies(context.codec, source, segment.links[-1], fresh=fresh)
    return LocalDriver(source, chain, segment.savers, IteratorSink(), context.codec, watchful=False, copies=copies)
