"""Build a stream through workers: a chain of segment executors, with operators between them in the coordinator.

source --> operators --> executor --> operators --> executor --> ... --> sink
           (optional)                 (exchange)
"""

from __future__ import annotations

import itertools
import logging
from collections.abc import Callable, Sequence
from functools import partial
from typing import NamedTuple

from daglite.exceptions import TransferError
from daglite.operations import spec_of
from daglite.program import Segment, steps_of
from daglite.records import replace
from daglite.runtime.dataflow.batching import BatchSizer
from daglite.runtime.dataflow.driver import StreamDriver
from daglite.runtime.dataflow.failure_policy import FailurePolicy
from daglite.runtime.dataflow.flow_control import FlowControl
from daglite.runtime.dataflow.in_flight import SegmentParts
from daglite.runtime.dataflow.operator_chain import ClosingIterator
from daglite.runtime.dataflow.operators import BoundSegment, CoordinatorOps, IndexMap, between, numbered
from daglite.runtime.dataflow.pipeline import SegmentPipeline
from daglite.runtime.dataflow.reorder_buffer import ReorderBuffer
from daglite.runtime.dataflow.saves import Saver
from daglite.runtime.dataflow.segment import (
    ExchangeBuffer,
    ExchangeSink,
    ExchangeSource,
    PriorOutput,
    SegmentExecutor,
)
from daglite.runtime.dataflow.sinks import CombineSink, ResultWriter, Sink
from daglite.runtime.dataflow.source import Source
from daglite.runtime.dataflow.tree_reduce import TreeReducer
from daglite.runtime.engines.base import ResumableEngine
from daglite.runtime.engines.worker_queues import WorkerQueue
from daglite.runtime.kernel.bound_step import BoundStep
from daglite.runtime.kernel.timers import StepTimer
from daglite.runtime.scheduler.bind_stream import BoundStream, open_source, step_source
from daglite.runtime.serialization.codec import ItemCodec

_log = logging.getLogger("daglite")


class RemoteSegment(NamedTuple):
    """A segment that workers run: their steps, and what takes their results.

    `prior` is what the operators that follow it gave before the stream moved to workers.
    """

    position: int
    steps: Sequence[BoundStep]
    writer: ResultWriter
    operators: CoordinatorOps | None = None
    prior: PriorOutput | None = None


class RemotePlan(NamedTuple):
    """The segments on workers, the source of the first, and the timers of the steps in the coordinator."""

    source: Source
    segments: Sequence[RemoteSegment]
    timers: Sequence[StepTimer]


def build_workers(stream: BoundStream) -> StreamDriver:
    """Return the driver of a stream through workers."""
    context, planned = stream.context, [stream.stage.segments[position] for position in stream.remote]
    queues = [context.worker_queue_at(segment.site, loops=segment.loops) for segment in planned]
    plan = plan_remote(stream, queues[0].engine.codec)
    return build_driver(stream, plan, queues, stream.sink)


def plan_remote(stream: BoundStream, codec: ItemCodec) -> RemotePlan:
    """Open the source and divide a stream into segments on workers and operators between them.

    `codec` is that of the workers of the first segment.
    """
    context, stage, remote = stream.context, stream.stage, stream.remote
    source = _run_before(stream, open_source(context, stage, codec), codec)
    source.nested = stream.scope.nested
    segments, span = list[RemoteSegment](), _span(source)
    for position, following in itertools.zip_longest(remote, remote[1:]):
        bound, operators = stream.segments[position], None
        last = position == len(stream.segments) - 1
        steps, savers = _worker_steps(bound, stream.fold if last else None)
        if not last:
            operators = between(
                stream.segments[position + 1 : following],
                None if following is None else stream.segments[following],
                bound.links[-1],
                partial(stream.bind_chain, loop=context.fold_loop),
                gaps=span is not None or any(link.drops for link in bound.links),
                most=stage.max_results if following is None else None,
            )
        writer = ResultWriter(
            savers,
            stream.sink if operators is None else operators.queue,
            span,
            partials=steps[-1].starts is not None,
            most=stage.max_results if last else None,
            failure_counter=context.failure_counter,
        )
        segments.append(RemoteSegment(position, steps, writer, operators))
        span = None if operators is None or operators.known is None else operators.known.span
    return RemotePlan(source, segments, tuple(stream.timers))


def _run_before(stream: BoundStream, source: Source, codec: ItemCodec) -> Source:
    """Return what the first segment on workers takes: the source, or what operators and tasks before it make of it."""
    first, segments = stream.remote[0], stream.segments
    if not first and segments[0].operators is None:
        return source
    operators = between(
        segments[:first],
        segments[first],
        steps_of(stream.stage)[0],
        stream.bind_chain,
        # Tasks in the coordinator look at the indices of items, and those of a list may have gaps.
        gaps=source.indices is not None,
        index_of=source.index_of,
    )
    items: ClosingIterator = stream.chained_items(source, operators.chain)
    if operators.known is not None:
        items = ClosingIterator(numbered(items, operators.numbering, operators.known), items.close)
    return step_source(operators.last, items, codec, operators.known)


def build_driver(stream: BoundStream, plan: RemotePlan, queues: Sequence[WorkerQueue], sink: Sink) -> StreamDriver:
    """Return the driver of a planned stream, with the workers of a queue for each segment."""
    context, stage, scope = stream.context, stream.stage, stream.scope
    observers, number = context.observers, context.number_of(stage)
    failure_policy = FailurePolicy(ordered=stream.ordered)
    exchanges = sum(segment.operators is not None for segment in plan.segments)
    nbytes = stage.limits.max_in_flight_bytes // ((1 + exchanges) * scope.share)
    executors, origin = list[SegmentExecutor](), plan.source
    exchange_sink: ExchangeSink | None = None
    for segment, queue, following in zip(plan.segments, queues, [*queues[1:], None], strict=True):
        executor = _build_executor(stream, origin, segment, queue, failure_policy, len(executors), nbytes, sink)
        executors.append(executor)
        if segment.operators is None:
            continue
        outputs = ExchangeBuffer(executor, segment.operators, lambda: pipeline.failing(), segment.prior)
        if following is not None:
            origin = ExchangeSource(outputs, segment.operators, following.engine.codec)
        else:
            flow_control = FlowControl(stage.limits.items(queue.engine.workers), nbytes)
            hook = None if observers is None else observers.delivery_hook(number, len(stage.segments) - 1)
            exchange_sink = ExchangeSink(outputs, sink, flow_control, hook)
    most, taken = stage.limits.max_in_flight, None if scope.outer is None else scope.taken
    pipeline = SegmentPipeline(executors, failure_policy, exchange_sink, size=most, taken=taken)
    if observers is not None:
        workers = sum(queue.engine.workers for queue in set(queues))
        size = most or sum(executor.flow_control.size for executor in executors)
        observers.opened(number, plan.source, context.failure_counter, workers, size, pipeline)
    return StreamDriver(
        pipeline,
        scope,
        # The streams that it pulls take the other places of a bound in items.
        max_pull=1 if scope.nested and most is not None else None,
        emit=None if observers is None else observers.emit_batches,
        stage=number,
        timers=plan.timers,
    )


def _build_executor(
    stream: BoundStream,
    origin: Source,
    segment: RemoteSegment,
    queue: WorkerQueue,
    failure_policy: FailurePolicy,
    number: int,
    nbytes: int,
    sink: Sink,
) -> SegmentExecutor:
    context, limits, engine, observers = stream.context, stream.stage.limits, queue.engine, stream.context.observers
    *steps, last = segment.steps
    resumable = isinstance(engine, ResumableEngine) and engine.can_resume(last.function)
    steps.append(replace(last, spreads=last.spreads and resumable))
    # Operators get items in the order of the source, even if the sink takes results in any order.
    ordered = stream.ordered or (
        segment.operators is not None and _needs_order(stream.stage.segments[segment.position + 1 :])
    )
    parts = SegmentParts(
        origin,
        queue,
        steps,
        FlowControl(limits.items(engine.workers), nbytes, folds=last.starts is not None),
        ReorderBuffer(ordered=ordered, first=origin.count),
        failure_policy,
        context.retries,
        number,
    )
    tree_reducer = None
    if segment.operators is None and isinstance(sink, CombineSink):
        tree_reducer = _tree_reducer(parts, nbytes, sink)
    batch_sizer = BatchSizer(*limits.batch_items(engine.workers), engine.batch_policy)
    hook = None if observers is None else observers.delivery_hook(context.number_of(stream.stage), segment.position)
    return SegmentExecutor(parts, batch_sizer, segment.writer, tree_reducer=tree_reducer, on_delivered=hook)


def _needs_order(segments: Sequence[Segment]) -> bool:
    """Return whether segments need the order of the source: an operator does, or saves number what comes."""
    for segment in segments:
        steps = [*segment.links, *(operation.step for operation in segment.operations)]
        if not segment.operations or any(step.saves for step in steps):
            return True
        if any(not spec_of(operation.kind).any_order for operation in segment.operations):
            return True
    return False


def _tree_reducer(parts: SegmentParts, nbytes: int, sink: CombineSink) -> TreeReducer | None:
    """Return what combines partials on the workers, if they may stay there.

    They may not if no item may start twice: a partial on a worker can be lost.
    """
    restarts = parts.retries > 0 and all(step.function.retry_on_crash for step in parts.steps)
    if parts.worker_queue.combiner is None or not restarts:
        return None
    try:
        sink.tree_reducer = TreeReducer(parts, sink.step, nbytes, sink.add)
    except TransferError as error:
        _log.debug("partials are combined in the coordinator: %s", error)
    return sink.tree_reducer


def _span(source: Source) -> Callable[[int, int], Sequence[int]] | None:
    """Return what gives the indices of consecutive items of a source, if they are not their positions."""
    indices = source.indices
    if indices is None or isinstance(indices, IndexMap):
        return None if indices is None else indices.span
    return lambda first, size: [indices[place] for place in range(first, first + size)]


def _worker_steps(segment: BoundSegment, fold: BoundStep | None) -> tuple[list[BoundStep], list[Saver | None]]:
    """Return the steps of a worker, and the savers of what it sends back.

    The result of the last step is sent back always; if workers fold, not. Others are sent if they are saved.
    """
    links, savers = segment.links, segment.savers
    before = links if fold is not None else links[:-1]
    steps = [step if saver is None else replace(step, tapped=True) for step, saver in zip(before, savers, strict=False)]
    used: list[Saver | None] = [saver for saver in savers[: len(before)] if saver is not None]
    return ([*steps, fold], used) if fold is not None else ([*steps, links[-1]], [*used, savers[-1]])
