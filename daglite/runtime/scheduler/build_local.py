"""Build a stream that runs in this process, without workers.

    source --> operators --> segment --> operators --> ... --> LocalDriver of the last segment --> sink

Each part pulls the one before it. If the calls would be too deep for Python, the parts are divided into `Sections`.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from typing import TYPE_CHECKING

from daglite.lazy import lazy
from daglite.operations import spec_of
from daglite.program import MaterialiseStage
from daglite.runtime.dataflow.operator_chain import DEEP, ChainedItems, ClosingIterator, OperatorChain
from daglite.runtime.dataflow.operators import BoundSegment
from daglite.runtime.dataflow.sinks import IteratorSink, Sink
from daglite.runtime.dataflow.source import Source
from daglite.runtime.local.executor import LocalDriver
from daglite.runtime.local.item_copies import ItemCopies
from daglite.runtime.local.sections import LocalSegment, Sections
from daglite.runtime.scheduler.bind_stream import (
    BoundStream,
    local_recorder,
    open_generator,
    open_source,
    step_source,
)
from daglite.runtime.scheduler.context import RunContext

if TYPE_CHECKING:
    import daglite.runtime.dataflow.timed_operators as timed_operators
else:
    timed_operators = lazy("daglite.runtime.dataflow.timed_operators")


def build_local(stream: BoundStream) -> LocalDriver:
    """Return the driver of a stream without workers."""
    context, stage, sink = stream.context, stream.stage, stream.sink
    source, last = _open_last(stream)
    source.nested = stream.scope.nested
    chain = stream.bind_chain(last.links)
    return LocalDriver(
        source,
        chain,
        last.savers,
        sink,
        watchful=context.cancellable,
        snaps=source.serializes,
        most=stage.max_results,
        recorder=local_recorder(context, stage, source, sink, stream.timers),
    )


def build_generator(context: RunContext, stage: MaterialiseStage, sink: Sink) -> LocalDriver:
    """Return the driver of a generator that is drained in this process, for plans that are not optimised."""
    # Its items are serialized here only if workers never run it.
    codec = context.codec if stage.step.function.stays else None
    source = open_generator(context, stage.step, codec)
    recorder = local_recorder(context, stage, source, sink, [])
    chain, watchful = context.bind_chain([]), context.cancellable
    return LocalDriver(source, chain, [], sink, watchful=watchful, snaps=source.serializes, recorder=recorder)


def local_items(stream: BoundStream) -> ClosingIterator:
    """Return the results of a stream as an iterator, for a stream that pulls it."""
    source, last = _open_last(stream)
    if last.links:
        driver = segment_driver(stream, source, last)
        source = step_source(last.links[-1], ClosingIterator(driver.results(), source.close))
    source.nested = stream.scope.nested
    items, most = source.front(copied=True), stream.stage.max_results
    return ClosingIterator(_close_after(items if most is None else itertools.islice(items, most), source), source.end)


def _close_after(items: Iterator[object], source: Source) -> Iterator[object]:
    try:
        yield from items
    finally:
        source.end()


def _open_last(stream: BoundStream) -> tuple[Source, BoundSegment]:
    """Open the source, and build everything up to the operators of the last segment; return its source, and itself."""
    context, segments, parts = stream.context, _join_segments(stream), list[LocalSegment]()
    source, deep = open_source(context, stream.stage, context.codec), len(segments) > DEEP + 1
    if segments[0].operators is not None:
        source = _output(stream, segments[0], stream.chained_items(source, segments[0].operators))
    elif len(segments) > 1 and context.timed and stream.generated:
        timed_operators.time_source(source, stream.timers)
    first = source
    for before, segment in itertools.pairwise(segments):
        assert segment.operators is not None, "only operations divide segments here"
        parts.append(local_segment(stream, source, before, segment, segment.operators))
        results = step_source(before.links[-1], ClosingIterator(parts[-1].driver.results(), source.close))
        items = iter(()) if deep else ChainedItems(results.front(), segment.operators, results.close)
        source = _output(stream, segment, items)
    if deep:
        source.items = ClosingIterator(iter(Sections(first.items, parts, first.close)), first.close)
    return source, segments[-1]


def _output(stream: BoundStream, segment: BoundSegment, items: Iterator[object]) -> Source:
    """Return the outputs of the operators of a segment, which cannot change any more if no task takes them."""
    return step_source(segment.operations[-1].step, items, stream.context.codec if segment.links else None)


def _join_segments(stream: BoundStream) -> list[BoundSegment]:
    """Return the segments. Neighbours that differ only in where they would run are joined."""
    joined = list[BoundSegment]()
    for segment in stream.segments:
        if segment.operators is None and joined:
            before = joined.pop()
            links, savers = [*before.links, *segment.links], [*before.savers, *segment.savers]
            segment = before._replace(links=links, savers=savers)
        joined.append(segment)
    return joined


def local_segment(
    stream: BoundStream,
    source: Source,
    segment: BoundSegment,
    following: BoundSegment,
    operators: OperatorChain,
    *,
    fresh: bool = False,
) -> LocalSegment:
    """Return a segment with the operators between it and the following one; see `ItemCopies` for `fresh` items."""
    expands = any(spec_of(operation.kind).expands for operation in following.operations)
    driver = segment_driver(stream, source, segment, fresh=fresh)
    return LocalSegment(driver, operators, spreads=segment.links[-1].spreads, expands=expands)


def segment_driver(stream: BoundStream, source: Source, segment: BoundSegment, *, fresh: bool = False) -> LocalDriver:
    """Return what takes items through a segment whose results are pulled."""
    codec = stream.context.codec
    copies = None if codec is None else ItemCopies(codec, source, segment.links[-1], fresh=fresh)
    return LocalDriver(source, stream.bind_chain(segment.links), segment.savers, IteratorSink(), copies=copies)
