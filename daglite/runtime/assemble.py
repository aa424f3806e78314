"""A stream's parts put together: source, workers or none, saves, ending."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator, Sequence, Sized
from typing import TypeAlias, cast

from daglite.exceptions import Failure, ParameterError
from daglite.program import MappedSource, Step, StreamStage
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

__all__ = ["Flow", "gapped", "generator_flow", "open_flow"]

Flow: TypeAlias = StreamFlow | InlineFlow


def open_flow(context: Context, stage: StreamStage, ending: Ending, *, ordered: bool) -> Flow:
    """The flow of a stream; without tasks on items there is nothing for workers to do."""
    links = [context.bind(link) for link in stage.links]
    shipped = bool(links) and not context.inline
    codec = context.board().session.codec if shipped else context.codec
    source, codec = _open_source(context, stage, codec)
    savers = [context.book.open(link.saves, bound) for link, bound in zip(stage.links, links, strict=True)]
    if shipped:
        return _stream_flow(context, stage, source, links, savers, ending, ordered=ordered)
    return InlineFlow(
        source, Chain(links, context.loop), savers, ending, codec, watchful=context.cancellable, most=stage.most
    )


def gapped(context: Context, stage: StreamStage) -> bool:
    """Whether the indices of a stream's results may have gaps: a filter stands here, or in the stream it reads."""
    before = isinstance(stage.source, MappedSource) and context.indices_of(stage.source) is not None
    return before or any(link.filters for link in stage.links)


def generator_flow(context: Context, step: Step, ending: Ending) -> Flow:
    """A generator drained in this process, for plans that are not optimised."""
    bound = context.bind(step)
    source = _generator(context, step, bound, context.book.open(step.saves, bound), None)
    return InlineFlow(source, Chain([], context.loop), [], ending, None, watchful=context.cancellable)


def _open_source(context: Context, stage: StreamStage, codec: ItemCodec | None) -> tuple[Source, ItemCodec | None]:
    """The source, and the codec that captures its items: a list that lies here already need not be captured again."""
    if isinstance(stage.source, Step):
        bound = context.bind(stage.source)
        saver = context.book.open(stage.source.saves, bound)
        return _generator(context, stage.source, bound, saver, codec), codec
    first = stage.links[0] if stage.links else stage.end
    assert first is not None, "mapped arguments are followed by a task or a fold"
    codec = codec if stage.links else None
    items = itertools.islice(_mapped_items(context, stage.source, first.function.name), stage.source.limit)
    indices = context.indices_of(stage.source)
    source = Source(items, name=first.function.name, number=first.number, saver=None, codec=codec, indices=indices)
    return source, codec


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
    links: Sequence[BoundStep],
    savers: Sequence[Saver | None],
    ending: Ending,
    *,
    ordered: bool,
) -> StreamFlow:
    board = context.board()
    # The last step's result comes back anyway; of the others only what is saved.
    steps = [_tapped(step, saver) for step, saver in zip(links[:-1], savers, strict=False)] + [links[-1]]
    wanted = [saver for saver in savers[:-1] if saver is not None] + [savers[-1]]
    workers = board.session.workers
    window = Window(stage.limits.items(workers), stage.limits.nbytes)
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
    return StreamFlow(
        source=source,
        shipping=shipping,
        window=window,
        merge=merge,
        verdict=verdict,
        intake=Intake(wanted, ending, source.indices, most=stage.most),
        board=board,
        helper_thread=stage.limits.helper_thread,
        failed_beside=lambda: None if context.calls is None else context.calls.error,
    )


def _tapped(step: BoundStep, saver: Saver | None) -> BoundStep:
    if saver is None:
        return step
    return replace(step, tapped=True)
