"""A stream's parts put together: source, workers or none, saves, ending."""

from __future__ import annotations

import itertools
import logging
import math
from collections.abc import Iterable, Iterator, Sequence, Sized
from typing import TYPE_CHECKING, TypeAlias, cast

from daglite.exceptions import Failure, ParameterError, TransferError
from daglite.lazy import lazy
from daglite.program import MappedSource, Step, StreamStage, steps_of
from daglite.records import replace
from daglite.runtime.adaptive import AdaptiveFlow
from daglite.runtime.batch import Batcher
from daglite.runtime.board import Board
from daglite.runtime.chain import BoundStep, Chain, open_items
from daglite.runtime.choice import Answer
from daglite.runtime.codec import ItemCodec
from daglite.runtime.context import Context
from daglite.runtime.copies import Copies
from daglite.runtime.endings import Ending, Folding, Intake
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

__all__ = ["Flow", "gapped", "generator_flow", "open_flow"]

_log = logging.getLogger("daglite")

Flow: TypeAlias = StreamFlow | InlineFlow | AdaptiveFlow


def open_flow(
    context: Context,
    stage: StreamStage,
    ending: Ending,
    *,
    ordered: bool,
    fold: BoundStep | None = None,
    here: Folding | None = None,
) -> Flow:
    """The flow of a stream; without tasks on items, and without a `fold` there, there is nothing for workers to do.

    `here` folds the items that come before the first of those that workers fold.
    """
    links = [context.bind(link) for link in stage.links]
    limited = [*links, fold] if fold is not None else links
    adaptive = bool(limited) and context.begins_here([step.function for step in limited])
    shipped = bool(limited) and not context.inline and not adaptive
    codec = context.board().session.codec if shipped else context.codec
    source, codec = _open_source(context, stage, codec)
    savers = [context.book.open(link.saves, bound) for link, bound in zip(stage.links, links, strict=True)]
    steps, wanted = _steps_and_savers(links, savers, fold) if limited else ([], [])
    told = context.watch is not None and context.watch.batches
    kind = watched.WatchedIntake if told else Intake
    parts = fold is not None
    intake = kind(wanted, ending, source.indices, parts=parts, most=stage.most, ledger=context.ledger)
    if adaptive:
        inline = _inline_part(context, source, links, savers, here or ending, folds=fold is not None, most=stage.most)
        return _adaptive_flow(context, stage, source, inline, steps, intake, ordered)
    if shipped:
        return _stream_flow(context, context.board(), stage, source, steps, intake, ordered)
    chain = Chain(links, context.loop, trials=context.trials)
    return _inline_flow(context, steps_of(stage), source, chain, savers, ending, codec, stage.most)


def gapped(context: Context, stage: StreamStage) -> bool:
    """Whether the indices of a stream's results may have gaps: a filter stands here, or in the stream it reads."""
    before = isinstance(stage.source, MappedSource) and context.indices_of(stage.source) is not None
    return before or any(link.drops for link in stage.links)


def generator_flow(context: Context, step: Step, ending: Ending) -> Flow:
    """A generator drained in this process, for plans that are not optimised."""
    bound = context.bind(step)
    source = _generator(context, step, bound, context.book.open(step.saves, bound), None)
    return _inline_flow(context, [step], source, Chain([], context.loop), [], ending, None)


def _inline_flow(
    context: Context,
    steps: Sequence[Step],
    source: Source,
    chain: Chain,
    savers: Sequence[Saver | None],
    ending: Ending,
    codec: ItemCodec | None,
    most: int | None = None,
) -> InlineFlow:
    watch = context.watch
    if watch is None:
        return InlineFlow(source, chain, savers, ending, codec, watchful=context.cancellable, most=most)
    stage = watch.stage_of(steps[0].number)
    watch.opened(stage, 0, 1, source.total, watched.InlineGauge(source))
    tallies = watched.clocks(source, chain, ending, steps[-1].number) if watch.steps else []
    flow = watched.WatchedInline(source, chain, savers, ending, codec, watchful=context.cancellable, most=most)
    flow.watch(watch, stage, tallies)
    return flow


def _open_source(context: Context, stage: StreamStage, codec: ItemCodec | None) -> tuple[Source, ItemCodec | None]:
    """The source, and the codec that captures its items: a list that lies here already need not be captured again."""
    if isinstance(stage.source, Step):
        bound = context.bind(stage.source)
        saver = context.book.open(stage.source.saves, bound)
        return _generator(context, stage.source, bound, saver, codec), codec
    first = stage.links[0] if stage.links else stage.end
    assert first is not None, "mapped arguments are followed by a task or a fold"
    codec = codec if stage.links or stage.folds_on_workers else None
    items, total = _mapped_items(context, stage.source, first.function.name)
    limit = stage.source.limit
    if limit is not None:
        items, total = itertools.islice(items, limit), None if total is None else min(total, limit)
    indices = context.indices_of(stage.source)
    source = Source(items, name=first.function.name, number=first.number, saver=None, codec=codec, indices=indices)
    source.total = total
    return source, codec


def _generator(context: Context, step: Step, bound: BoundStep, saver: Saver | None, codec: ItemCodec | None) -> Source:
    try:
        items = open_items(bound, context.loop)
    except BaseException as error:
        raise_blamed(error, Failure(step.function.name, step.number))
    source = Source(items, name=step.function.name, number=step.number, saver=saver, codec=codec)
    source.step = bound
    return source


def _mapped_items(context: Context, source: MappedSource, task: str) -> tuple[Iterator[object], int | None]:
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


def _inline_part(
    context: Context,
    source: Source,
    links: Sequence[BoundStep],
    savers: Sequence[Saver | None],
    ending: Ending,
    *,
    folds: bool,
    most: int | None,
) -> InlineFlow:
    """What a stream does here before it moves. Where workers fold, no result would cross, so none is copied."""
    assert context.codec is not None
    copies = Copies(context.codec, source, None if folds else links[-1])
    watchful = context.cancellable or ending.keeps
    chain = Chain(links, context.loop, trials=context.trials)
    return InlineFlow(source, chain, savers, ending, context.codec, watchful=watchful, copies=copies, most=most)


def _adaptive_flow(
    context: Context,
    stage: StreamStage,
    source: Source,
    inline: InlineFlow,
    steps: Sequence[BoundStep],
    intake: Intake,
    ordered: bool,
) -> AdaptiveFlow:
    """A flow in this process that may move to workers with all that it has."""
    folds = steps[-1].starts is not None

    def move(answer: Answer) -> StreamFlow | None:
        board = context.crew(answer)
        try:
            flow = _stream_flow(context, board, stage, source, steps, intake, ordered)
        except TransferError as error:
            _log.debug("%s", error)
            return None
        source.use(board.session.codec)
        intake.left = inline.left
        if folds:
            intake.go_on(inline.ending)
        return flow

    watch = context.watch
    if watch is None:
        return AdaptiveFlow(inline, context.choice(), move, folds=folds)
    number = watch.stage_of(steps[0].number)
    watch.opened(number, 0, 1, source.total, watched.InlineGauge(source))
    tallies = watched.clocks(source, inline.chain, inline.ending, steps_of(stage)[-1].number) if watch.steps else []
    flow = watched.WatchedAdaptive(inline, context.choice(), move, folds=folds)
    flow.watch(watch, number, tallies)
    return flow


def _stream_flow(
    context: Context,
    board: Board,
    stage: StreamStage,
    source: Source,
    steps: Sequence[BoundStep],
    intake: Intake,
    ordered: bool,
) -> StreamFlow:
    workers = board.session.workers
    watch = context.watch
    window = Window(stage.limits.items(workers), stage.limits.nbytes, folds=steps[-1].starts is not None)
    if watch is not None:
        gauge = watched.WindowGauge(window, source.count)
        watch.opened(watch.stage_of(steps[0].number), workers, window.size, source.total, gauge)
    told = watch is not None and watch.batches
    merge: Merge[list[object]] = Merge(ordered=ordered, first=source.count)
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
