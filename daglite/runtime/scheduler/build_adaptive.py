"""Build a stream of a run that chooses its workers: it starts in this process, is measured, and may move to workers.

source --> local segments --> LocalDriver of the last segment --> sink
   |              | (state of the operators)                       |
   +--------------+-------> StreamDriver on workers ---------------+   once the placement policy says so
"""

from __future__ import annotations

import copy
import itertools
import logging
from collections.abc import Iterator
from functools import partial

from daglite.exceptions import TransferError
from daglite.operations import spec_of
from daglite.program import Operand, StageResult, Step, StreamOperation, StreamStage
from daglite.runtime.dataflow.driver import StreamDriver
from daglite.runtime.dataflow.sinks import CombineSink, FoldSink, Sink
from daglite.runtime.dataflow.source import Source
from daglite.runtime.engines.cost_model import Answer
from daglite.runtime.kernel.bound_step import BoundStep
from daglite.runtime.kernel.steps import bind_step
from daglite.runtime.local.adaptive import AdaptiveDriver
from daglite.runtime.local.executor import LocalDriver
from daglite.runtime.local.item_copies import ItemCopies
from daglite.runtime.local.profiler import LocalRunner, MultiSegmentRunner, SingleSegmentRunner
from daglite.runtime.local.sections import LocalSegment, Sections
from daglite.runtime.scheduler.bind_stream import BoundStream, local_recorder, step_source
from daglite.runtime.scheduler.build_local import local_segment
from daglite.runtime.scheduler.build_workers import RemotePlan, build_driver, plan_remote
from daglite.runtime.scheduler.context import RunContext

# How many results of a nested stream may wait for the stream that pulls it, as they might with workers.
_NESTED_RESULTS = 256

_log = logging.getLogger("daglite")


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
    if stream.fold is not None and last.source.count:
        # Otherwise the first partial starts from the initial value.
        writer.go_on(last.sink)
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
        fresh = _has_fresh_items(stream.context, stream.stage, planned.position)
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
        fresh, most = _has_fresh_items(context, stage, len(stage.segments) - 1), stage.max_results
        copies = ItemCopies(context.codec, source, None if folds else last.links[-1], fresh=fresh)
    chain = stream.bind_chain(last.links)
    return LocalDriver(source, chain, last.savers, sink, watchful=watchful, copies=copies, most=most)


def _has_fresh_items(context: RunContext, stage: StreamStage, position: int) -> bool:
    """Return whether nothing else refers to the items of a segment, so that they need no copy.

    They have been copied on their way to the operators before it, and these pass each of them on once.
    """
    operations, source = stage.segments[position].operations, stage.source
    copied = position > 0 or isinstance(source, Step) or all(_is_stream(context, one) for _, one in source.sources)
    return copied and bool(operations) and all(_forwards(context, operation) for operation in operations)


def _forwards(context: RunContext, operation: StreamOperation) -> bool:
    spec = spec_of(operation.kind)
    return spec.forwards and (not spec.reads_stream or _is_stream(context, operation.operand))


def _is_stream(context: RunContext, operand: Operand | None) -> bool:
    """Return whether an operand is a stream; an item of a list may be in it twice, or be used elsewhere."""
    return isinstance(operand, StageResult) and isinstance(context.value(operand), Iterator)
