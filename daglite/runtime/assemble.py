"""A stream's parts put together: source, workers or none, saves, ending."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterable, Iterator, Sequence, Sized
from typing import TYPE_CHECKING, TypeAlias, cast

from daglite.exceptions import Failure, ParameterError
from daglite.lazy import lazy
from daglite.program import MappedSource, Step, StreamStage, steps_of
from daglite.records import replace
from daglite.runtime.batch import Batcher
from daglite.runtime.chain import BoundStep, Chain, open_items
from daglite.runtime.codec import ItemCodec
from daglite.runtime.context import Context
from daglite.runtime.endings import Ending, Intake
from daglite.runtime.failures import raise_blamed
from daglite.runtime.inline import InlineFlow
from daglite.runtime.merge import Merge
from daglite.runtime.saving import Saver
from daglite.runtime.shipping import Shipping
from daglite.runtime.source import Source
from daglite.runtime.stream import StreamFlow
from daglite.runtime.verdict import Verdict
from daglite.runtime.window import Window

if TYPE_CHECKING:
    from daglite.runtime import watched
else:
    watched = lazy("daglite.runtime.watched")

__all__ = ["Flow", "generator_flow", "open_flow"]

Flow: TypeAlias = StreamFlow | InlineFlow


def open_flow(
    context: Context, stage: StreamStage, ending: Ending, *, ordered: bool, fold: BoundStep | None = None
) -> Flow:
    """The flow of a stream; without tasks on items, and without a `fold` there, there is nothing for workers to do."""
    links = [context.bind(link) for link in stage.links]
    shipped = (bool(links) or fold is not None) and not context.inline
    codec = context.board().session.codec if shipped else context.codec
    source, codec = _open_source(context, stage, codec)
    savers = [context.book.open(link.saves, bound) for link, bound in zip(stage.links, links, strict=True)]
    if shipped:
        steps, wanted = _steps_and_savers(links, savers, fold)
        told = context.watch is not None and context.watch.batches
        intake = (watched.WatchedIntake if told else Intake)(wanted, ending, parts=fold is not None)
        return _stream_flow(context, stage, source, steps, intake, ordered)
    length = None if context.watch is None else _length(context, stage)
    return _inline_flow(context, steps_of(stage), source, Chain(links, context.loop), savers, ending, codec, length)


def generator_flow(context: Context, step: Step, ending: Ending) -> Flow:
    """A generator drained in this process, for plans that are not optimised."""
    bound = context.bind(step)
    source = _generator(context, step, bound, context.book.open(step.saves, bound), None)
    return _inline_flow(context, [step], source, Chain([], context.loop), [], ending, None, None)


def _inline_flow(
    context: Context,
    steps: Sequence[Step],
    source: Source,
    chain: Chain,
    savers: Sequence[Saver | None],
    ending: Ending,
    codec: ItemCodec | None,
    length: int | None,
) -> InlineFlow:
    watch = context.watch
    if watch is None:
        return InlineFlow(source, chain, savers, ending, codec, watchful=context.cancellable)
    stage = watch.stage_of(steps[0].number)
    watch.opened(stage, 0, 1, length, watched.InlineGauge(source))
    tallies = watched.clocks(source, chain, ending, steps[-1].number) if watch.steps else []
    flow = watched.WatchedInline(source, chain, savers, ending, codec, watchful=context.cancellable)
    flow.watch(watch, stage, tallies)
    return flow


def _length(context: Context, stage: StreamStage) -> int | None:
    """How many items will come, where that is known before they do."""
    if isinstance(stage.source, Step):
        return None
    lists = [context.value(operand) for _, operand in stage.source.sources]
    sizes = [len(one) for one in lists if isinstance(one, Sized)]
    if len(sizes) < len(lists):
        return None
    return math.prod(sizes) if stage.source.mode == "product" else min(sizes)


def _open_source(context: Context, stage: StreamStage, codec: ItemCodec | None) -> tuple[Source, ItemCodec | None]:
    """The source, and the codec that captures its items: a list that lies here already need not be captured again."""
    if isinstance(stage.source, Step):
        bound = context.bind(stage.source)
        saver = context.book.open(stage.source.saves, bound)
        return _generator(context, stage.source, bound, saver, codec), codec
    first = stage.links[0] if stage.links else stage.end
    assert first is not None, "mapped arguments are followed by a task or a fold"
    codec = codec if stage.links or stage.folds_on_workers else None
    items = _mapped_items(context, stage.source, first.function.name)
    return Source(items, name=first.function.name, number=first.number, saver=None, codec=codec), codec


def _generator(context: Context, step: Step, bound: BoundStep, saver: Saver | None, codec: ItemCodec | None) -> Source:
    try:
        items = open_items(bound, context.loop)
    except BaseException as error:
        raise_blamed(error, Failure(step.function.name, step.number))
    return Source(items, name=step.function.name, number=step.number, saver=saver, codec=codec)


def _mapped_items(context: Context, source: MappedSource, task: str) -> Iterator[object]:
    lists = [_iterable(name, context.value(operand), task) for name, operand in source.sources]
    if len(lists) == 1:
        return iter(lists[0])
    if source.mode == "product":
        return itertools.product(*lists)
    sizes = {name: len(one) for (name, _), one in zip(source.sources, lists, strict=True) if isinstance(one, Sized)}
    if len(set(sizes.values())) > 1:
        told = ", ".join(f"'{name}' has {size}" for name, size in sizes.items())
        raise ParameterError(f"`map` of task '{task}' zips values of different lengths: {told}")
    return iter(zip(*lists, strict=True))


def _iterable(name: str, value: object, task: str) -> Iterable[object]:
    if isinstance(value, Iterable) or hasattr(value, "__getitem__"):
        return cast("Iterable[object]", value)
    raise ParameterError(f"`map` of task '{task}' needs an iterable for '{name}'; the future gave {value!r}")


def _stream_flow(
    context: Context,
    stage: StreamStage,
    source: Source,
    steps: Sequence[BoundStep],
    intake: Intake,
    ordered: bool,
) -> StreamFlow:
    board = context.board()
    workers = board.session.workers
    watch = context.watch
    window = Window(stage.limits.items(workers), stage.limits.nbytes, folds=steps[-1].starts is not None)
    if watch is not None:
        length, gauge = _length(context, stage), watched.WindowGauge(window)
        watch.opened(watch.stage_of(steps[0].number), workers, window.size, length, gauge)
    told = watch is not None and watch.batches
    merge: Merge[list[object]] = Merge(ordered=ordered)
    verdict = Verdict(ordered=ordered)
    shipping = Shipping(
        source=source,
        board=board,
        codec=board.session.codec,
        program=board.session.install(steps),
        steps=steps,
        window=window,
        batcher=Batcher(*stage.limits.batch_items(workers)),
        merge=merge,
        verdict=verdict,
        retries=context.retries,
    )
    flow = (watched.WatchedFlow if told else StreamFlow)(
        source=source,
        shipping=shipping,
        window=window,
        merge=merge,
        verdict=verdict,
        intake=intake,
        board=board,
        helper_thread=stage.limits.helper_thread,
        failed_beside=lambda: None if context.calls is None else context.calls.error,
    )
    if watch is not None:
        for part in (intake, flow):
            if isinstance(part, watched.WatchedIntake | watched.WatchedFlow):
                part.watch(watch, watch.stage_of(steps[0].number))
    return flow


def _steps_and_savers(
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
