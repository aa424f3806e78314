"""Build a stream that runs in this process: to its end, or until it moves to workers.

    source --> operators --> segment --> operators --> ... --> LocalDriver of the last segment --> sink

Each part pulls the one before it. If the calls would be too deep for Python, the parts are divided into `Sections`.
In a run that chooses its workers a stream starts here as well, is measured, and may move:

    source --> Sections --> LocalDriver of the last segment --> sink
       |          | (state of the operators)                     |
       +----------+-----> StreamDriver on workers ---------------+   once the placement policy says so
"""

from __future__ import annotations

import copy
import itertools
import logging
from collections.abc import Iterator
from functools import partial
from typing import TYPE_CHECKING

from daglite.exceptions import TransferError
from daglite.lazy import lazy
from daglite.operations import spec_of
from daglite.program import MaterialiseStage, Operand, StageResult, Step, StreamOperation
from daglite.runtime.dataflow.driver import StreamDriver
from daglite.runtime.dataflow.operator_chain import DEEP, ChainedItems, ClosingIterator, OperatorChain
from daglite.runtime.dataflow.operators import BoundSegment
from daglite.runtime.dataflow.sinks import CombineSink, FoldSink, IteratorSink, Sink
from daglite.runtime.dataflow.source import Source
from daglite.runtime.engines.cost_model import Answer
from daglite.runtime.kernel.bound_step import BoundStep
from daglite.runtime.kernel.steps import bind_step
from daglite.runtime.local.adaptive import AdaptiveDriver
from daglite.runtime.local.executor import LocalDriver
from daglite.runtime.local.item_copies import ItemCopies
from daglite.runtime.local.profiler import LocalRunner, MultiSegmentRunner, SingleSegmentRunner
from daglite.runtime.local.sections import LocalSegment, Sections
from daglite.runtime.scheduler.bind_stream import BoundStream, local_recorder, open_generator, open_source, step_source
from daglite.runtime.scheduler.build_workers import RemotePlan, build_driver, plan_remote
from daglite.runtime.scheduler.context import RunContext

if TYPE_CHECKING:
    import daglite.runtime.dataflow.timed_operators as timed_operators
else:
    timed_operators = lazy("daglite.runtime.dataflow.timed_operators")

# How many results of a nested stream may wait for the stream that pulls it, as they might with workers.
_NESTED_RESULTS = 256

_log = logging.getLogger("daglite")


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


def starts_locally(stream: BoundStream) -> bool:
    """Return whether a stream with work for workers starts in this process, because the run chooses for itself."""
    steps = [step for segment in stream.segments for step in segment.links]
    functions = [step.function for step in (*steps, *([] if stream.fold is None else [stream.fold]))]
    if not stream.context.starts_locally(functions) or any(link.flattens for link in stream.stage.links):
        # The items of one partition may be the whole stream: nothing is measured until they are over.
        return False
    # Tasks for the coordinator are between segments, where nothing measures them.
    return len(stream.segments) == 1 or not any(function.here for function in functions)


def build_adaptive(stream: BoundStream) -> AdaptiveDriver:
    """Return the driver of a stream in this process, which may move to workers with the state of its operators."""
    context, stage, scope = stream.context, stream.stage, stream.scope
    assert context.codec is not None
    plan = plan_remote(stream, context.codec)
    source, sink, folds, finish = plan.source, stream.sink, stream.fold is not None, None
    if stream.fold is not None:
        combine, local_fold = sink, _local_fold(context, stream.fold)
        assert isinstance(combine, CombineSink)
        sink, finish = local_fold, lambda: combine.go_on(local_fold.value)
    segments, origin = _local_segments(stream, plan)
    last = _last_driver(stream, origin, sink)
    recorder = local_recorder(context, stage, source, sink, stream.timers, interval=0.0)
    sections = Sections(source.items, segments, source.close) if segments else None
    runner: LocalRunner
    if sections is None:
        runner = SingleSegmentRunner(last, folds=folds)
    else:
        runner = MultiSegmentRunner(source, sections, last, folds=folds)
    most = 1 if context.cancellable or stream.sink.keeps else None
    if scope.outer is not None and not context.cancellable and stage.limits.max_in_flight is None:
        most = _NESTED_RESULTS
    move = partial(_move, stream, plan, sections, last)
    return AdaptiveDriver(source, runner, context.placement_policy(), move, finish=finish, most=most, recorder=recorder)


def _move(
    stream: BoundStream, plan: RemotePlan, sections: Sections | None, last: LocalDriver, answer: Answer
) -> StreamDriver | None:
    """Return the driver with which the stream goes on; None if workers cannot run its tasks."""
    queue = stream.context.worker_queue_for(answer)
    segments, writer = list(plan.segments), plan.segments[-1].writer
    if sections is not None:
        priors = sections.prior_outputs(last.source.count)
        segments[: len(priors)] = [
            segment._replace(prior=prior) for segment, prior in zip(segments, priors, strict=False)
        ]
    try:
        driver = build_driver(stream, plan._replace(segments=segments), [queue] * len(segments), last.sink)
    except TransferError as error:
        _log.debug("%s", error)
        return None
    plan.source.use(queue.engine.codec)
    if sections is not None:
        plan.source.finished = sections.drained
    writer.left = last.left
    if isinstance(stream.sink, CombineSink) and isinstance(last.sink, FoldSink) and last.source.count:
        # Otherwise the first partial starts from the initial value.
        stream.sink.go_on(last.sink.value)
    return driver


def _local_fold(context: RunContext, fold: BoundStep) -> FoldSink:
    """Return a sink that folds what comes before the first item on workers; their initial value stays as it is."""
    assert fold.starts is not None
    return FoldSink(fold, bind_step(fold, context.fold_loop), copy.deepcopy(fold.starts[0]))


def _local_segments(stream: BoundStream, plan: RemotePlan) -> tuple[list[LocalSegment], Source]:
    """Return the segments with operators after them, and a source that represents the outputs of the last of these."""
    segments, source = list[LocalSegment](), plan.source
    for planned, (segment, following) in zip(plan.segments, itertools.pairwise(stream.segments), strict=False):
        assert planned.operators is not None, "only operations divide segments here"
        fresh = _has_fresh_items(stream, planned.position)
        segments.append(local_segment(stream, source, segment, following, planned.operators.chain, fresh=fresh))
        source = step_source(planned.operators.last, iter(()), stream.context.codec)
    return segments, source


def _last_driver(stream: BoundStream, source: Source, sink: Sink) -> LocalDriver:
    """Return the driver of the last segment. If workers would fold, its results would not leave them: no copies."""
    context, stage, last = stream.context, stream.stage, stream.segments[-1]
    assert context.codec is not None
    watchful, folds, copies, most = context.cancellable or sink.keeps, stream.fold is not None, None, None
    # Without tasks and a fold it follows operators, which are done by themselves after as many results as are wanted.
    if last.links or folds:
        fresh, most = _has_fresh_items(stream, len(stage.segments) - 1), stage.max_results
        copies = ItemCopies(context.codec, source, None if folds else last.links[-1], fresh=fresh)
    chain = stream.bind_chain(last.links)
    return LocalDriver(source, chain, last.savers, sink, watchful=watchful, copies=copies, most=most)


def _has_fresh_items(stream: BoundStream, position: int) -> bool:
    """Return whether nothing else refers to the items of a segment, so that they need no copy.

    They have been copied on their way to the operators before it, and these pass each of them on once.
    """
    operations, source, context = stream.segments[position].operations, stream.stage.source, stream.context
    copied = position > 0 or isinstance(source, Step) or all(_is_stream(context, one) for _, one in source.sources)
    return copied and bool(operations) and all(_forwards(context, operation) for operation in operations)


def _forwards(context: RunContext, operation: StreamOperation) -> bool:
    spec = spec_of(operation.kind)
    return spec.forwards and (not spec.reads_stream or _is_stream(context, operation.operand))


def _is_stream(context: RunContext, operand: Operand | None) -> bool:
    """Return whether an operand is a stream; an item of a list may be in it twice, or be used elsewhere."""
    return isinstance(operand, StageResult) and isinstance(context.value(operand), Iterator)
