"""A stream with workers put together: its legs, and the operations between them."""

from __future__ import annotations

import itertools
import logging
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, NamedTuple

from daglite.exceptions import TransferError
from daglite.lazy import lazy
from daglite.operations import spec_of
from daglite.operations.operator import Operator
from daglite.program import Segment, Step, StreamOperation, StreamStage, steps_of
from daglite.records import replace
from daglite.runtime.dataflow.batching import BatchSizer
from daglite.runtime.dataflow.bound_segments import BoundSegment, front as read
from daglite.runtime.dataflow.coordinator_ops import CoordinatorOps, IndexMap, Pair, between, numbered
from daglite.runtime.dataflow.dispatch import Dispatcher
from daglite.runtime.dataflow.driver import StreamDriver, StreamScope
from daglite.runtime.dataflow.exchange import ExchangeBuffer, ExchangeSink, ExchangeSource, PriorOutput
from daglite.runtime.dataflow.failure_policy import FailurePolicy
from daglite.runtime.dataflow.flow_control import FlowControl
from daglite.runtime.dataflow.operator_chain import ChainedItems, ClosingIterator, OperatorChain
from daglite.runtime.dataflow.operators import SavingOperator, make_operator
from daglite.runtime.dataflow.pipeline import SegmentPipeline
from daglite.runtime.dataflow.reorder_buffer import ReorderBuffer
from daglite.runtime.dataflow.saves import Saver
from daglite.runtime.dataflow.segment import SegmentExecutor
from daglite.runtime.dataflow.sinks import CombineSink, ExchangeQueue, ResultWriter, Sink
from daglite.runtime.dataflow.source import Source
from daglite.runtime.dataflow.tree_reduce import TreeReducer
from daglite.runtime.engines.base import ResumableEngine
from daglite.runtime.engines.worker_queues import WorkerQueue
from daglite.runtime.kernel.bound_step import BoundStep
from daglite.runtime.kernel.event_loop import PrivateLoop
from daglite.runtime.kernel.steps import bind_step
from daglite.runtime.kernel.timers import StepTimer
from daglite.runtime.scheduler.context import RunContext
from daglite.runtime.serialization.codec import ItemCodec

if TYPE_CHECKING:
    import daglite.runtime.dataflow.timed_operators as timed_operators
else:
    timed_operators = lazy("daglite.runtime.dataflow.timed_operators")


_log = logging.getLogger("daglite")


class PlannedSegment(NamedTuple):
    """One segment for workers: what they do, and what takes their results in.

    Where more comes behind it, results go to the `relay`, and from there through what is `behind`, which has a `past`
    where the stream did not begin on workers.
    """

    steps: Sequence[BoundStep]
    writer: ResultWriter
    relay: ExchangeQueue | None = None
    behind: CoordinatorOps | None = None
    # Its number in the stream; clocks of tasks that run here, before and behind it.
    segment: int = 0
    timers: tuple[StepTimer, ...] = ()
    past: PriorOutput | None = None

    def after(self, past: PriorOutput) -> PlannedSegment:
        """The same for a stream that has a past."""
        return self._replace(past=past)


def stream_flow(
    context: RunContext,
    stage: StreamStage,
    source: Source,
    parts: Sequence[PlannedSegment],
    worker_queues: Sequence[WorkerQueue],
    ordered: bool,
    sink: Sink,
    scope: StreamScope,
) -> StreamDriver:
    """The flow of a source through these parts, on a board each; operations may stand behind the last one, too."""
    watch = context.watch
    stage_number = 0 if watch is None else watch.stage_of(parts[0].steps[0].number)
    failure_policy = FailurePolicy(ordered=ordered)
    inlets = sum(part.behind is not None for part in parts)
    nbytes = stage.limits.max_in_flight_bytes // ((1 + inlets) * scope.share)
    executors: list[SegmentExecutor] = []
    origin: Source = source
    exchange_sink: ExchangeSink | None = None
    for number, (part, worker_queue) in enumerate(zip(parts, worker_queues, strict=True)):
        # Operations see items in the order of the source, whatever the ending says; but for those that do not mind.
        kept = ordered or (part.behind is not None and _minds_order(stage, number + 1))
        reorder_buffer: ReorderBuffer[list[object]] = ReorderBuffer(ordered=kept, first=origin.count)
        executors.append(
            _executor(
                context,
                stage,
                origin,
                part,
                worker_queue,
                reorder_buffer,
                failure_policy,
                number,
                nbytes,
                sink,
                stage_number,
            )
        )
        if part.behind is None or part.relay is None:
            continue
        outputs = ExchangeBuffer(executors[-1], part.relay, part.behind, lambda: pipeline.failing(), part.past)
        if number + 1 < len(parts):
            origin = ExchangeSource(outputs, part.behind, worker_queues[number + 1].engine.codec)
        else:
            exchange_sink = ExchangeSink(
                outputs,
                sink,
                FlowControl(stage.limits.items(worker_queue.engine.workers), nbytes),
                None if watch is None else watch.delivery_hook(stage_number, len(stage.segments) - 1),
            )
    taken = None if scope.outer is None else scope.taken
    pipeline = SegmentPipeline(
        executors, failure_policy, exchange_sink=exchange_sink, size=stage.limits.max_in_flight, taken=taken
    )
    if watch is not None:
        workers = sum({worker_queue: worker_queue.engine.workers for worker_queue in worker_queues}.values())
        size = stage.limits.max_in_flight or sum(executor.flow_control.size for executor in executors)
        watch.opened(stage_number, source, context.failure_counter, workers, size, pipeline)
    return StreamDriver(
        source=source,
        pipeline=pipeline,
        failure_policy=failure_policy,
        worker_queues=context.worker_queues,
        scope=scope,
        # The streams that it pulls have the other places of a window of a given size.
        max_pull=1 if scope.nested and stage.limits.max_in_flight is not None else None,
        external_error=context.error_beside,
        emit=None if watch is None else watch.emit_batches,
        stage=stage_number,
        timers=[timer for part in parts for timer in part.timers],
    )


def _minds_order(stage: StreamStage, number: int) -> bool:
    """Whether what stands behind a leg depends on the order: not the taking apart of lists, if nothing is saved by
    number.
    """
    for segment in stage.segments[number:]:
        steps = [*segment.links, *(operation.step for operation in segment.operations)]
        if any(step.saves for step in steps) or not segment.operations:
            return True
        if any(not spec_of(one.kind).any_order for one in segment.operations):
            return True
    return False


def _executor(
    context: RunContext,
    stage: StreamStage,
    origin: Source,
    part: PlannedSegment,
    worker_queue: WorkerQueue,
    reorder_buffer: ReorderBuffer[list[object]],
    failure_policy: FailurePolicy,
    number: int,
    nbytes: int,
    sink: Sink,
    stage_number: int,
) -> SegmentExecutor:
    engine = worker_queue.engine
    *steps, last = part.steps
    resumable = isinstance(engine, ResumableEngine) and engine.can_resume(last.function)
    steps.append(replace(last, spreads=last.spreads and resumable))
    flow_control = FlowControl(stage.limits.items(engine.workers), nbytes, folds=steps[-1].starts is not None)
    tree_reducer = (
        _tree_reducer(context, worker_queue, steps, flow_control, nbytes, sink) if part.relay is None else None
    )
    dispatcher = Dispatcher(
        source=origin,
        worker_queue=worker_queue,
        steps=steps,
        flow_control=flow_control,
        batch_sizer=BatchSizer(*stage.limits.batch_items(engine.workers), engine.batch_policy),
        reorder_buffer=reorder_buffer,
        failure_policy=failure_policy,
        retries=context.retries,
        executor=number,
        tree_reducer=tree_reducer,
    )
    return SegmentExecutor(
        origin=origin,
        dispatcher=dispatcher,
        flow_control=flow_control,
        reorder_buffer=reorder_buffer,
        writer=part.writer,
        tree_reducer=tree_reducer,
        on_delivered=None if context.watch is None else context.watch.delivery_hook(stage_number, part.segment),
    )


def _tree_reducer(
    context: RunContext,
    worker_queue: WorkerQueue,
    steps: Sequence[BoundStep],
    flow_control: FlowControl,
    nbytes: int,
    sink: Sink,
) -> TreeReducer | None:
    """What puts parts together on the workers, where they may stay there.

    Not where nothing may start twice: a part that stays can be lost.
    """
    again = context.retries > 0 and all(step.function.retry_on_crash for step in steps)
    if not isinstance(sink, CombineSink) or worker_queue.combiner is None or not again:
        return None
    try:
        sink.tree_reducer = TreeReducer(
            worker_queue=worker_queue,
            step=sink.step,
            flow_control=flow_control,
            retries=context.retries,
            nbytes=nbytes,
            on_root=sink.add,
        )
    except TransferError as error:
        _log.debug("parts are put together in the coordinator: %s", error)
    return sink.tree_reducer


def open_parts(
    context: RunContext,
    stage: StreamStage,
    segments: Sequence[BoundSegment],
    sink: Sink,
    source: Source,
    fold: BoundStep | None,
    codec: ItemCodec,
) -> tuple[Source, list[PlannedSegment]]:
    """What stands in front of the first workers, as a source, and the segments with workers as parts.

    `codec` is that of the first workers.
    """
    pairs: list[Pair] = list(zip(stage.segments, segments, strict=True))
    places = away(stage, fold)
    start = source.indices is not None
    # Where a task in the coordinator looks at the index of an item, or what comes from a list has gaps.
    front = between(
        pairs[: places[0]],
        pairs[places[0]],
        _first(stage),
        context.loop,
        retry_tracker=context.retry_tracker,
        gaps=start,
        index_of=source.index_of,
    )
    own: StepTimer | None = None
    if places[0] or segments[0].pipe is not None:
        if context.watch is not None and context.watch.steps and isinstance(stage.source, Step):
            own = StepTimer(source.number)
        source = _behind_front(stage, source, front, codec, own)
    parts: list[PlannedSegment] = []
    before = front.timers if own is None else (own, *front.timers)
    span = span_of(source)
    for place, following in itertools.zip_longest(places, places[1:]):
        planned, bound = pairs[place]
        last = place == len(pairs) - 1
        gaps = span is not None or any(link.drops for link in bound.links)
        rest = pairs[place + 1 : following]
        behind = None
        if not last:
            behind = between(
                rest,
                None if following is None else pairs[following],
                planned.links[-1],
                context.fold_loop,
                retry_tracker=context.retry_tracker,
                gaps=gaps,
                most=stage.max_results if following is None else None,
            )
        steps, wanted = steps_and_savers(bound.links, bound.savers, fold if last else None)
        relay = None if last else ExchangeQueue()
        most, folds = (stage.max_results, fold is not None) if last else (None, False)
        writer = ResultWriter(
            wanted, relay or sink, span, partials=folds, most=most, failure_counter=context.failure_counter
        )
        timers = (*before, *(() if behind is None else behind.timers))
        before = ()
        parts.append(PlannedSegment(steps, writer, relay, behind, place, timers))
        span = None if behind is None or behind.known is None else behind.known.span
    return source, parts


def worker_queue_of(context: RunContext, segment: Segment) -> WorkerQueue:
    """The workers of a segment."""
    return context.worker_queue_at(segment.site, loops=segment.loops)


def away(stage: StreamStage, fold: BoundStep | None) -> list[int]:
    """Which segments have work for workers."""
    last = len(stage.segments) - 1
    return [
        place
        for place, segment in enumerate(stage.segments)
        if any(not link.function.here for link in segment.links) or (fold is not None and place == last)
    ]


def _first(stage: StreamStage) -> Step:
    return stage.source if isinstance(stage.source, Step) else steps_of(stage)[0]


def _behind_front(
    stage: StreamStage, source: Source, front: CoordinatorOps, codec: ItemCodec, timer: StepTimer | None
) -> Source:
    """The source behind what stands on it in the coordinator; `timer` is its own clock."""
    # A generator may use one object again and again; what comes from a list is what it is.
    copied_by = codec if isinstance(stage.source, Step) else None
    through = ChainedItems(read(source, codec=copied_by, timer=timer), front.pipe, source.close)
    items: Iterator[object] = through
    if front.known is not None:
        items = ClosingIterator(numbered(through, front.numbering, front.known), through.close)
    last = front.last
    return Source(items, name=last.function.name, number=last.number, saver=None, codec=codec, indices=front.known)


def span_of(source: Source) -> Callable[[int, int], Sequence[int]] | None:
    """The indices of items of a source by their places, where they are not the same."""
    indices = source.indices
    if indices is None or isinstance(indices, IndexMap):
        return None if indices is None else indices.span
    return lambda first, size: [indices[place] for place in range(first, first + size)]


def steps_and_savers(
    links: Sequence[BoundStep], savers: Sequence[Saver | None], fold: BoundStep | None
) -> tuple[list[BoundStep], list[Saver | None]]:
    """What a worker does, and who saves what comes back: the last step's result anyway, of the others what is saved."""
    taps = links if fold is not None else links[:-1]
    steps = [_tapped(step, saver) for step, saver in zip(taps, savers, strict=False)]
    wanted: list[Saver | None] = [saver for saver in savers[: len(taps)] if saver is not None]
    if fold is not None:
        return [*steps, fold], wanted
    return [*steps, links[-1]], [*wanted, savers[-1]]


def _tapped(step: BoundStep, saver: Saver | None) -> BoundStep:
    if saver is None:
        return step
    return replace(step, tapped=True)


def bind_segments(context: RunContext, stage: StreamStage, places: Sequence[int] = ()) -> list[BoundSegment]:
    """The segments of a stream, for one run; `places` are those with workers.

    Tasks of operations run where the state is: up to the first workers beside the source, in its loop; behind them as
    folds do, on the helper thread while the source waits.
    """
    beside = places[0] if places else len(stage.segments)
    return [
        _bound(context, segment, context.loop if number <= beside else context.fold_loop)
        for number, segment in enumerate(stage.segments)
    ]


def _bound(context: RunContext, segment: Segment, loop: PrivateLoop) -> BoundSegment:
    timers: list[StepTimer] | None = [] if context.watch is not None and context.watch.steps else None
    operators = [part for operation in segment.operations for part in _operators(context, operation, loop, timers)]
    links = [context.bind(link) for link in segment.links]
    savers = [context.book.open(link.saves, bound) for link, bound in zip(segment.links, links, strict=True)]
    return BoundSegment(OperatorChain(operators, timers or ()) if operators else None, links, savers)


def _operators(
    context: RunContext, operation: StreamOperation, loop: PrivateLoop, timers: list[StepTimer] | None
) -> Iterator[Operator]:
    """The operation, and what keeps what it gives; `timers` takes their clock, where there is to be one."""
    step = context.bind(operation.step)
    task = bind_step(step, loop) if operation.calls_task else None
    operand = None if operation.operand is None else context.value(operation.operand)
    timer = None if timers is None else StepTimer(step.number)
    if timer is not None and isinstance(operand, Iterator):
        operand = timed_operators.ExcludedItems(operand, timer)
    operator = make_operator(operation, task, operand)
    saver: Callable[[int, object], None] | None = context.book.open(operation.step.saves, step)
    if timers is not None and timer is not None:
        timers.append(timer)
        operator = timed_operators.TimedOperator(operator, timer)
        saver = None if saver is None else timed_operators.timed_saver(saver, timer)
    yield operator
    if saver is not None:
        yield SavingOperator(saver)
