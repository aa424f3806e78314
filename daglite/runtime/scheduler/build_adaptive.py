"""A stream that begins in this process put together: its legs here, and the way to the same legs on workers."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import TYPE_CHECKING

from daglite.exceptions import TransferError
from daglite.lazy import lazy
from daglite.operations import spec_of
from daglite.program import Operand, StageResult, Step, StreamOperation, StreamStage, steps_of
from daglite.runtime.dataflow.bound_segments import BoundSegment
from daglite.runtime.dataflow.driver import StreamDriver, StreamScope
from daglite.runtime.dataflow.sinks import FoldSink, IteratorSink, Sink
from daglite.runtime.dataflow.source import Source
from daglite.runtime.engines.cost_model import Answer
from daglite.runtime.kernel.bound_step import BoundStep
from daglite.runtime.kernel.steps import StepChain
from daglite.runtime.kernel.timers import StepTimer
from daglite.runtime.local.adaptive import AdaptiveDriver
from daglite.runtime.local.executor import LocalDriver
from daglite.runtime.local.item_copies import ItemCopies
from daglite.runtime.local.profiler import LocalRunner, MultiSegmentRunner, SingleSegmentRunner
from daglite.runtime.local.sections import LocalSegment, Sections
from daglite.runtime.scheduler.build_stages import PlannedSegment, stream_flow
from daglite.runtime.scheduler.context import RunContext

if TYPE_CHECKING:
    import daglite.runtime.dataflow.timed_operators as timed_operators
else:
    timed_operators = lazy("daglite.runtime.dataflow.timed_operators")


_PULLED = 256

_log = logging.getLogger("daglite")


def begins_here(
    context: RunContext, stage: StreamStage, segments: Sequence[BoundSegment], fold: BoundStep | None
) -> bool:
    """Whether a stream with work for workers begins in this process, because the run chooses for itself."""
    functions = [step.function for segment in segments for step in (*segment.links, *([fold] if fold else []))]
    if not context.begins_here(functions) or any(link.flattens for link in stage.links):
        # A partition alone may be as long as a run: nothing is measured until it is over.
        return False
    # Tasks that ask for the coordinator stand between legs, where nothing measures them.
    return len(segments) == 1 or not any(function.here for function in functions)


def adaptive_flow(
    context: RunContext,
    stage: StreamStage,
    source: Source,
    segments: Sequence[BoundSegment],
    parts: Sequence[PlannedSegment],
    sink: Sink,
    here: FoldSink | None,
    *,
    ordered: bool,
    scope: StreamScope,
) -> AdaptiveDriver:
    """A flow in this process that may move to workers with all that it has.

    `here` folds what comes before the first item that a worker folds.
    """
    folds = parts[-1].steps[-1].starts is not None
    executors, origin = _executors(context, stage, source, segments, parts)
    last = _last(context, stage, origin, segments[-1], here or sink, folds=folds)
    sections = Sections(source.items, executors, source.close) if executors else None
    course: LocalRunner
    if sections is None:
        course = SingleSegmentRunner(last, folds=folds)
    else:
        course = MultiSegmentRunner(source, sections, last, folds=folds)

    def move(answer: Answer) -> StreamDriver | None:
        worker_queue, going = context.crew(answer), list(parts)
        if sections is not None:
            going[: len(executors)] = map(PlannedSegment.after, parts, sections.past(last.source.count))
        try:
            flow = stream_flow(context, stage, source, going, [worker_queue] * len(parts), ordered, last.sink, scope)
        except TransferError as error:
            _log.debug("%s", error)
            return None
        source.use(worker_queue.engine.codec)
        if sections is not None:
            source.finished = sections.drained
        parts[-1].writer.left = last.left
        if folds and last.source.count:
            # Else the first part begins with the initial value.
            parts[-1].writer.go_on(last.sink)
        return flow

    chains = [*(executor.flow.chain for executor in executors), last.chain]
    before = [timer for part in parts for timer in part.timers]
    most = 1 if context.cancellable or sink.keeps else None
    if scope.outer is not None and not context.cancellable and stage.limits.max_in_flight is None:
        # Of what another pulls so many may wait for it, as they might behind workers.
        most = _PULLED
    return _flow(context, stage, source, course, last, move, chains, before, most)


def _executors(
    context: RunContext,
    stage: StreamStage,
    source: Source,
    segments: Sequence[BoundSegment],
    parts: Sequence[PlannedSegment],
) -> tuple[list[LocalSegment], Source]:
    """The legs with operations behind them, and what comes out behind the last of these, as a source without items."""
    executors, origin = list[LocalSegment](), source
    for number, part in enumerate(parts):
        if part.behind is None:
            break
        _, links, savers = segments[part.segment]
        assert context.codec is not None
        copies = ItemCopies(context.codec, origin, links[-1], fresh=_fresh(context, stage, part.segment))
        chain = StepChain(links, context.loop, retry_tracker=context.retry_tracker)
        flow = LocalDriver(origin, chain, savers, IteratorSink(), context.codec, watchful=False, copies=copies)
        following = parts[number + 1].segment if number + 1 < len(parts) else len(segments)
        between = stage.segments[part.segment + 1 : following + 1]
        apart = any(spec_of(operation.kind).expands for segment in between for operation in segment.operations)
        executors.append(LocalSegment(flow, part.behind.pipe, spreads=links[-1].spreads, apart=apart))
        step = part.behind.last
        origin = Source(iter(()), name=step.function.name, number=step.number, saver=None, codec=context.codec)
    return executors, origin


def _fresh(context: RunContext, stage: StreamStage, number: int) -> bool:
    """Whether nobody else has what comes to the tasks of a segment.

    It has been copied on its way to the operations before them, and these give each thing on once.
    """
    operations, source = stage.segments[number].operations, stage.source
    copied = number > 0 or isinstance(source, Step) or all(_pulled(context, operand) for _, operand in source.sources)
    return copied and bool(operations) and all(map(partial(_gives_on, context), operations))


def _gives_on(context: RunContext, operation: StreamOperation) -> bool:
    spec = spec_of(operation.kind)
    return spec.forwards and (not spec.reads_stream or _pulled(context, operation.operand))


def _pulled(context: RunContext, operand: Operand | None) -> bool:
    """Whether it is a stream; what is in a list may be there twice, or belong to others."""
    return isinstance(operand, StageResult) and isinstance(context.value(operand), Iterator)


def _last(
    context: RunContext, stage: StreamStage, origin: Source, bound: BoundSegment, sink: Sink, *, folds: bool
) -> LocalDriver:
    """What comes to the ending, through the tasks of the last segment.

    Where workers fold, no result would cross, so none is copied.
    """
    assert context.codec is not None
    _, links, savers = bound
    watchful = context.cancellable or sink.keeps
    if not links and not folds:
        # Behind operations, which have had enough themselves when as many have come as are wanted.
        return LocalDriver(origin, StepChain([], context.loop), [], sink, None, watchful=watchful)
    fresh = _fresh(context, stage, len(stage.segments) - 1)
    copies = ItemCopies(context.codec, origin, None if folds else links[-1], fresh=fresh)
    chain = StepChain(links, context.loop, retry_tracker=context.retry_tracker)
    return LocalDriver(
        origin, chain, savers, sink, context.codec, watchful=watchful, copies=copies, most=stage.max_results
    )


def _flow(
    context: RunContext,
    stage: StreamStage,
    source: Source,
    course: LocalRunner,
    last: LocalDriver,
    move: Callable[[Answer], StreamDriver | None],
    chains: Sequence[StepChain],
    before: Sequence[StepTimer],
    most: int | None,
) -> AdaptiveDriver:
    """The flow; watched, where somebody listens."""
    watch = context.watch
    if watch is None:
        return AdaptiveDriver(source, course, context.choice(), move, most=most)
    steps = steps_of(stage)
    number = watch.stage_of(steps[0].number)
    watch.opened(number, source, context.failure_counter)
    timers: list[StepTimer] = []
    if watch.steps:
        timers = [*before, *(timer for chain in chains[:-1] for timer in chain.timers)]
        timers += timed_operators.time_stream(source, last.chain, last.sink, steps[-1].number, timers)
    recorder = watch.local_recorder(number, source, timers, interval=0.0)
    return AdaptiveDriver(source, course, context.choice(), move, most=most, recorder=recorder)
