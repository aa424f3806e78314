"""Bind a stream to the values of a run: open its source, and make operators, calls and savers of its segments.

StreamStage --remote_segments--> which segments workers run --bind_stream--> BoundStream --> a driver
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Iterable, Iterator, Sequence, Sized
from functools import partial
from typing import TYPE_CHECKING, cast

from daglite.exceptions import Failure, ParameterError
from daglite.lazy import lazy
from daglite.operations.operator import Operator
from daglite.program import MappedSource, Stage, Step, StreamOperation, StreamStage, steps_of
from daglite.records import record
from daglite.runtime.dataflow.driver import StreamScope
from daglite.runtime.dataflow.operator_chain import ChainedItems, OperatorChain
from daglite.runtime.dataflow.operators import BoundSegment, SavingOperator, make_operator
from daglite.runtime.dataflow.sinks import Sink
from daglite.runtime.dataflow.source import IndexLookup, Source
from daglite.runtime.kernel.bound_step import BoundStep
from daglite.runtime.kernel.errors import raise_with_failure
from daglite.runtime.kernel.event_loop import PrivateLoop
from daglite.runtime.kernel.steps import StepChain, bind_step, open_items
from daglite.runtime.kernel.timers import StepTimer
from daglite.runtime.local.executor import LocalRecorder
from daglite.runtime.scheduler.context import RunContext
from daglite.runtime.serialization.codec import ItemCodec

if TYPE_CHECKING:
    import daglite.runtime.dataflow.timed_operators as timed_operators
else:
    timed_operators = lazy("daglite.runtime.dataflow.timed_operators")


# The shortest time between two reports of a stream without workers, in seconds.
_REPORT_INTERVAL = 0.01


@record
class BoundStream:
    """A stream bound to a run.

    `remote` are the positions of the segments that workers run; the other segments run in the coordinator. `fold` is
    the step with which workers fold the results of the last segment. `segments` belong to those of the stage, by
    position. Results go to the `sink` in their order if `ordered`. `timers` are those of the steps that are called in
    this process, where an observer asks for the time of each.
    """

    context: RunContext
    stage: StreamStage
    sink: Sink
    ordered: bool
    scope: StreamScope
    remote: Sequence[int]
    segments: Sequence[BoundSegment]
    fold: BoundStep | None
    timers: list[StepTimer]

    @property
    def generated(self) -> bool:
        """Whether the items come from a generator, which may give one object again and again."""
        return isinstance(self.stage.source, Step)

    def bind_chain(self, steps: Sequence[BoundStep], loop: PrivateLoop | None = None) -> StepChain:
        """Return steps ready to be called in this process."""
        chain = self.context.bind_chain(steps, loop)
        self.timers.extend(chain.timers)
        return chain

    def chained_items(self, source: Source, operators: OperatorChain) -> ChainedItems:
        """Return what operators make of the items of the source of the stream."""
        timer = None
        if self.context.timed and self.generated:
            timer = StepTimer(source.number)
            self.timers.append(timer)
        return ChainedItems(source.front(copied=self.generated, timer=timer), operators, source.close)


def remote_segments(context: RunContext, stage: StreamStage, *, folds: bool) -> list[int]:
    """Return the positions of the segments that workers run; `folds`: workers fold after the last segment."""
    if context.inline:
        return []
    last = len(stage.segments) - 1
    return [
        position
        for position, segment in enumerate(stage.segments)
        if any(not link.function.here for link in segment.links) or (folds and position == last)
    ]


def bind_stream(
    context: RunContext,
    stage: StreamStage,
    sink: Sink,
    *,
    ordered: bool,
    scope: StreamScope,
    fold: BoundStep | None = None,
) -> BoundStream:
    """Bind a stream and its segments.

    Async tasks of operations run in the loop of the source up to the first segment on workers. After it they run as
    folds do: perhaps on the helper thread while the source waits.
    """
    remote, timers = remote_segments(context, stage, folds=fold is not None), list[StepTimer]()
    first = remote[0] if remote else len(stage.segments)
    segments = list[BoundSegment]()
    for position, segment in enumerate(stage.segments):
        loop = context.loop if position <= first else context.fold_loop
        operators = [part for operation in segment.operations for part in _operators(context, operation, loop, timers)]
        links = [context.bind(link) for link in segment.links]
        savers = [context.saves.open(link.saves, bound) for link, bound in zip(segment.links, links, strict=True)]
        chain = OperatorChain(operators) if operators else None
        segments.append(BoundSegment(segment.operations, chain, links, savers))
    return BoundStream(context, stage, sink, ordered, scope, remote, segments, fold, timers)


def _operators(
    context: RunContext, operation: StreamOperation, loop: PrivateLoop, timers: list[StepTimer]
) -> Iterator[Operator]:
    """Make the operator of an operation, and the one that saves its outputs; their timer is added to `timers`."""
    step = context.bind(operation.step)
    task = bind_step(step, loop) if operation.calls_task else None
    operand = None if operation.operand is None else context.value(operation.operand)
    saver: Callable[[int, object], None] | None = context.saves.open(operation.step.saves, step)
    if not context.timed:
        yield make_operator(operation, task, operand)
    else:
        timer = StepTimer(step.number)
        timers.append(timer)
        if isinstance(operand, Iterator):
            operand = timed_operators.ExcludedItems(operand, timer)
        yield timed_operators.TimedOperator(make_operator(operation, task, operand), timer)
        saver = None if saver is None else timed_operators.timed_saver(saver, timer)
    if saver is not None:
        yield SavingOperator(saver)


def may_have_gaps(context: RunContext, stage: StreamStage) -> bool:
    """Return whether the indices of a stream's results may have gaps: a filter is in it, or in the stream it reads."""
    before = isinstance(stage.source, MappedSource) and context.indices_of(stage.source) is not None
    numbered = [position for position, segment in enumerate(stage.segments) if segment.operations]
    links = [link for segment in stage.segments[numbered[-1] if numbered else 0 :] for link in segment.links]
    return (before and not numbered) or any(link.drops for link in links)


def open_source(context: RunContext, stage: StreamStage, codec: ItemCodec | None) -> Source:
    """Return the source of a stream. `codec` serializes its items, unless nothing could change them."""
    if isinstance(stage.source, Step):
        return open_generator(context, stage.source, codec)
    first = steps_of(stage)[0]
    items, total = _mapped_items(context, stage.source, first.function.name)
    limit = stage.source.limit
    if limit is not None:
        items, total = itertools.islice(items, limit), None if total is None else min(total, limit)
    source = step_source(
        first,
        items,
        codec if stage.links or stage.folds_on_workers else None,
        None if stage.segments[0].operations else context.indices_of(stage.source),
    )
    source.total = total
    return source


def open_generator(context: RunContext, step: Step, codec: ItemCodec | None) -> Source:
    """Return the items of a generator as a source, with its saves."""
    bound = context.bind(step)
    saver = context.saves.open(step.saves, bound)
    try:
        items = open_items(bound, context.loop)
    except BaseException as error:
        raise_with_failure(error, Failure(step.function.name, step.number))
    source = step_source(step, items, codec)
    source.saver, source.step = saver, bound
    return source


def step_source(
    step: Step | BoundStep, items: Iterator[object], codec: ItemCodec | None = None, indices: IndexLookup | None = None
) -> Source:
    """Return what a step gives as a source for what comes after it."""
    return Source(items, name=step.function.name, number=step.number, codec=codec, indices=indices)


def local_recorder(
    context: RunContext,
    stage: Stage,
    source: Source,
    sink: Sink,
    timers: list[StepTimer],
    *,
    interval: float = _REPORT_INTERVAL,
) -> LocalRecorder | None:
    """Return what reports a stream in this process to observers, if there are any.

    It puts timers around the source and the fold; the other steps have `timers`.
    """
    observers = context.observers
    if observers is None:
        return None
    number = context.number_of(stage)
    observers.opened(number, source, context.failure_counter)
    if context.timed:
        timed_operators.time_ends(source, sink, steps_of(stage)[-1].number, timers)
    report = partial(observers.completed_locally, number)
    return LocalRecorder(source, timers, report, observers.heartbeat, interval=interval)


def _mapped_items(context: RunContext, source: MappedSource, task: str) -> tuple[Iterator[object], int | None]:
    """Return the items of mapped arguments, and how many there are if the values have lengths."""
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
