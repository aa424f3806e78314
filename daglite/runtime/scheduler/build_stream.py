"""A stream's parts put together: source, workers or none, saves, ending."""

from __future__ import annotations

import contextlib
import itertools
import logging
import math
from collections.abc import Iterable, Iterator, Sequence, Sized
from typing import TYPE_CHECKING, cast

from daglite.exceptions import Failure, ParameterError
from daglite.lazy import lazy
from daglite.operations import spec_of
from daglite.program import MappedSource, Segment, Step, StreamStage, steps_of
from daglite.runtime.dataflow.bound_segments import BoundSegment, front, piped
from daglite.runtime.dataflow.driver import StreamGroup, StreamScope
from daglite.runtime.dataflow.nested import Driver, NestedStream
from daglite.runtime.dataflow.operator_chain import DEEP, ClosingIterator
from daglite.runtime.dataflow.saves import Saver
from daglite.runtime.dataflow.sinks import FoldSink, IteratorSink, OutputQueue, Sink
from daglite.runtime.dataflow.source import Source
from daglite.runtime.kernel.bound_step import BoundStep
from daglite.runtime.kernel.errors import raise_with_failure
from daglite.runtime.kernel.steps import StepChain, open_items
from daglite.runtime.kernel.timers import StepTimer
from daglite.runtime.local.executor import LocalDriver
from daglite.runtime.local.item_copies import ItemCopies
from daglite.runtime.local.sections import LocalSegment, Sections
from daglite.runtime.scheduler.build_adaptive import adaptive_flow, begins_here
from daglite.runtime.scheduler.build_stages import (
    away,
    bind_segments,
    open_parts,
    stream_flow,
    worker_queue_of,
)
from daglite.runtime.scheduler.context import RunContext
from daglite.runtime.serialization.codec import ItemCodec

if TYPE_CHECKING:
    import daglite.runtime.dataflow.timed_operators as timed_operators
else:
    timed_operators = lazy("daglite.runtime.dataflow.timed_operators")


_log = logging.getLogger("daglite")


def open_flow(
    context: RunContext,
    stage: StreamStage,
    sink: Sink,
    *,
    ordered: bool,
    fold: BoundStep | None = None,
    here: FoldSink | None = None,
    scope: StreamScope | None = None,
) -> Driver:
    """The flow of a stream; without tasks on items, and without a `fold` there, there is nothing for workers to do.

    `here` folds the items that come before the first of those that workers fold. `scope` is given where it is pulled.
    """
    if scope is None:
        stream_group = StreamGroup(context.worker_queues, helper_thread=stage.limits.helper_thread)
        context.polling = stream_group.lock
        scope = StreamScope(stream_group, share=1 + sum(1 for _ in context.all_beside(stage)))
    with _beside(context, stage, scope):
        return _open_flow(context, stage, sink, ordered, fold, here, scope)


@contextlib.contextmanager
def _beside(context: RunContext, stage: StreamStage, scope: StreamScope) -> Iterator[None]:
    """What a stream pulls, opened before it; closed if it cannot be opened itself."""
    try:
        for number in context.beside_of(stage):
            scope.nested.append(_pulled(context, context.stream(number), scope.enter()))
            context.values[number] = scope.nested[-1]
        yield
    except BaseException:
        scope.close()
        raise


def _pulled(context: RunContext, stage: StreamStage, scope: StreamScope) -> NestedStream | ClosingIterator:
    """A stream that another pulls."""
    if (context.inline or not away(stage, None)) and context.watch is None and not context.cancellable:
        with _beside(context, stage, scope):
            return _pulled_here(context, stage, scope)
    output_queue = OutputQueue()
    flow = open_flow(context, stage, output_queue, ordered=True, scope=scope)

    def check() -> None:
        error = context.error_beside()
        if error is not None:
            raise error
        scope.check()

    return NestedStream(flow, output_queue.waiting, check)


def _pulled_here(context: RunContext, stage: StreamStage, scope: StreamScope) -> ClosingIterator:
    """The same without workers, when nobody wants to be told: nothing but the items."""
    source, codec = _open_source(context, stage, context.codec)
    segments = _joined(bind_segments(context, stage))
    links, savers = segments[-1].links, segments[-1].savers
    source, codec = _before_last(context, stage, source, segments, codec, None, limited=bool(links))
    if links:
        chain = StepChain(links, context.loop, retry_tracker=context.retry_tracker)
        source, codec = _flowing(context, source, chain, savers), None
    source.nested = scope.nested
    items = front(source, codec=codec, timer=None)
    return ClosingIterator(
        _sink(items if stage.max_results is None else itertools.islice(items, stage.max_results), source), source.end
    )


def _sink(items: Iterator[object], source: Source) -> Iterator[object]:
    """The items of a source, which ends with them."""
    try:
        yield from items
    finally:
        source.end()


def _open_flow(
    context: RunContext,
    stage: StreamStage,
    sink: Sink,
    ordered: bool,
    fold: BoundStep | None,
    here: FoldSink | None,
    scope: StreamScope,
) -> Driver:
    places = [] if context.inline else away(stage, fold)
    segments = bind_segments(context, stage, places)
    adaptive = bool(places) and begins_here(context, stage, segments, fold)
    if places:
        worker_queues = [] if adaptive else [worker_queue_of(context, stage.segments[place]) for place in places]
        codec: ItemCodec | None = worker_queues[0].engine.codec if worker_queues else context.codec
        assert codec is not None
        source, _ = _open_source(context, stage, codec)
        source, parts = open_parts(context, stage, segments, sink, source, fold, codec)
        source.nested = scope.nested
        if adaptive:
            return adaptive_flow(context, stage, source, segments, parts, sink, here, ordered=ordered, scope=scope)
        return stream_flow(context, stage, source, parts, worker_queues, ordered, sink, scope)
    source, codec = _open_source(context, stage, context.codec)
    segments = _joined(segments)
    links, savers = segments[-1].links, segments[-1].savers
    timers: list[StepTimer] | None = [] if context.watch is not None and context.watch.steps else None
    source, codec = _before_last(context, stage, source, segments, codec, timers, limited=bool(links))
    source.nested = scope.nested
    chain = StepChain(links, context.loop, retry_tracker=context.retry_tracker)
    return _inline_flow(context, steps_of(stage), source, chain, savers, sink, codec, stage.max_results, timers or ())


def _joined(segments: Sequence[BoundSegment]) -> list[BoundSegment]:
    """Segments that stand apart only because of their places, as one: here they have one place."""
    found = [segments[0]]
    for pipe, links, savers in segments[1:]:
        if pipe is None:
            before = found.pop()
            found.append(BoundSegment(before.pipe, [*before.links, *links], [*before.savers, *savers]))
        else:
            found.append(BoundSegment(pipe, links, savers))
    return found


def _before_last(
    context: RunContext,
    stage: StreamStage,
    source: Source,
    segments: Sequence[BoundSegment],
    codec: ItemCodec | None,
    timers: list[StepTimer] | None,
    *,
    limited: bool,
) -> tuple[Source, ItemCodec | None]:
    """What reaches the links of the last segment, as a source, with the codec that captures it.

    `timers` takes the clocks of what stands in front, when somebody listens.
    """
    last, generated = len(segments) - 1, isinstance(stage.source, Step)
    operated = [segment for segment in stage.segments if segment.operations or segment is stage.segments[0]]
    deep = last > DEEP
    for number, (planned, (pipe, links, savers)) in enumerate(zip(operated, segments, strict=True)):
        if number and deep:
            # Each would be pulled by the one behind it, and that is more calls inside one another than there may be.
            codec = codec if limited else None
            return _in_sections(context, source, segments, operated, codec, timers), codec
        if pipe is not None:
            own = StepTimer(source.number) if timers is not None and number == 0 and generated else None
            if timers is not None:
                timers += [*([] if own is None else [own]), *pipe.timers]
            # What nothing changes any more need not be captured.
            kept = codec if number < last or limited else None
            copied_by = codec if number == 0 and generated else None
            source, codec = piped(source, planned, pipe, kept, copied_by=copied_by, timer=own), kept
        if number < last:
            if timers is not None and pipe is None and generated:
                # Mapped values are counted by the task that takes them.
                timers.append(timed_operators.time_source(source))
            if deep:
                continue
            chain = StepChain(links, context.loop, retry_tracker=context.retry_tracker)
            if timers is not None:
                timers += chain.timers
            source = _flowing(context, source, chain, savers)
    return source, codec


def _in_sections(
    context: RunContext,
    source: Source,
    segments: Sequence[BoundSegment],
    planned: Sequence[Segment],
    codec: ItemCodec | None,
    timers: list[StepTimer] | None,
) -> Source:
    """What reaches the links of the last of many segments, as a source; the operations of the first stand before it."""
    executors, origin, step = list[LocalSegment](), source, planned[0].links[-1]
    for number, (_, links, savers) in enumerate(segments[:-1], start=1):
        pipe, operations = segments[number].pipe, planned[number].operations
        assert pipe is not None, "only operations divide segments here"
        chain = StepChain(links, context.loop, retry_tracker=context.retry_tracker)
        if timers is not None:
            timers += [*chain.timers, *pipe.timers]
        apart = any(spec_of(operation.kind).expands for operation in operations)
        flow = _results(context, origin, chain, savers)
        executors.append(LocalSegment(flow, pipe, spreads=links[-1].spreads, apart=apart))
        step = operations[-1].step
        origin = Source(iter(()), name=step.function.name, number=step.number, saver=None, codec=context.codec)
    items = ClosingIterator(iter(Sections(source.items, executors, source.close)), source.close)
    return Source(items, name=step.function.name, number=step.number, saver=None, codec=codec)


def _flowing(context: RunContext, source: Source, chain: StepChain, savers: Sequence[Saver | None]) -> Source:
    """The results of a segment in this process, as a source for the operations behind it."""
    last, results = chain.steps[-1], _results(context, source, chain, savers).results()
    return Source(
        ClosingIterator(results, source.close), name=last.function.name, number=last.number, saver=None, codec=None
    )


def _results(context: RunContext, source: Source, chain: StepChain, savers: Sequence[Saver | None]) -> LocalDriver:
    copies = None if context.codec is None else ItemCopies(context.codec, source, chain.steps[-1])
    return LocalDriver(source, chain, savers, IteratorSink(), context.codec, watchful=False, copies=copies)


def gapped(context: RunContext, stage: StreamStage) -> bool:
    """Whether the indices of a stream's results may have gaps: a filter stands here, or in the stream it reads."""
    before = isinstance(stage.source, MappedSource) and context.indices_of(stage.source) is not None
    starts = [place for place, segment in enumerate(stage.segments) if segment.operations]
    links = [link for segment in stage.segments[starts[-1] if starts else 0 :] for link in segment.links]
    return (before and not starts) or any(link.drops for link in links)


def generator_flow(context: RunContext, step: Step, sink: Sink) -> Driver:
    """A generator drained in this process, for plans that are not optimised."""
    bound = context.bind(step)
    # What is drained on workers elsewhere is captured there; what never is, here.
    codec = context.codec if step.function.stays else None
    source = _generator(context, step, bound, context.book.open(step.saves, bound), codec)
    return _inline_flow(context, [step], source, StepChain([], context.loop), [], sink, codec)


def _inline_flow(
    context: RunContext,
    steps: Sequence[Step],
    source: Source,
    chain: StepChain,
    savers: Sequence[Saver | None],
    sink: Sink,
    codec: ItemCodec | None,
    most: int | None = None,
    before: Sequence[StepTimer] = (),
) -> LocalDriver:
    watch = context.watch
    if watch is None:
        return LocalDriver(source, chain, savers, sink, codec, watchful=context.cancellable, most=most)
    stage = watch.stage_of(steps[0].number)
    watch.opened(stage, source, context.failure_counter)
    timers = timed_operators.time_stream(source, chain, sink, steps[-1].number, before) if watch.steps else []
    recorder = watch.local_recorder(stage, source, [*before, *timers])
    return LocalDriver(source, chain, savers, sink, codec, watchful=context.cancellable, most=most, recorder=recorder)


def _open_source(context: RunContext, stage: StreamStage, codec: ItemCodec | None) -> tuple[Source, ItemCodec | None]:
    """The source, and the codec that captures its items: a list that lies here already need not be captured again."""
    if isinstance(stage.source, Step):
        bound = context.bind(stage.source)
        saver = context.book.open(stage.source.saves, bound)
        return _generator(context, stage.source, bound, saver, codec), codec
    first = steps_of(stage)[0]
    codec = codec if stage.links or stage.folds_on_workers else None
    items, total = _mapped_items(context, stage.source, first.function.name)
    limit = stage.source.limit
    if limit is not None:
        items, total = itertools.islice(items, limit), None if total is None else min(total, limit)
    indices = None if stage.segments[0].operations else context.indices_of(stage.source)
    source = Source(items, name=first.function.name, number=first.number, saver=None, codec=codec, indices=indices)
    source.total = total
    return source, codec


def _generator(
    context: RunContext, step: Step, bound: BoundStep, saver: Saver | None, codec: ItemCodec | None
) -> Source:
    try:
        items = open_items(bound, context.loop)
    except BaseException as error:
        raise_with_failure(error, Failure(step.function.name, step.number))
    source = Source(items, name=step.function.name, number=step.number, saver=saver, codec=codec)
    source.step = bound
    return source


def _mapped_items(context: RunContext, source: MappedSource, task: str) -> tuple[Iterator[object], int | None]:
    """The items, and how many there are, where the values have a length."""
    lists = [_iterable(name, context.value(operand), task) for name, operand in source.sources]
    lengths = [len(one) for one in lists if isinstance(one, Sized)]
    known = len(lengths) == len(lists)
    if len(lists) == 1:
        return iter(lists[0]), lengths[0] if known else None
    if source.mode == "product":
        return itertools.product(*lists), math.prod(lengths) if known else None
    sizes = {name: len(one) for (name, _), one in zip(source.sources, lists, strict=True) if isinstance(one, Sized)}
    if len(set(sizes.values())) > 1:
        told = ", ".join(f"'{name}' has {size}" for name, size in sizes.items())
        raise ParameterError(f"`map` of task '{task}' zips values of different lengths: {told}")
    return iter(zip(*lists, strict=True)), lengths[0] if known else None


def _iterable(name: str, value: object, task: str) -> Iterable[object]:
    if isinstance(value, Iterable) or hasattr(value, "__getitem__"):
        return cast("Iterable[object]", value)
    raise ParameterError(f"`map` of task '{task}' needs an iterable for '{name}'; the future gave {value!r}")
