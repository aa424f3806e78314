"""A stream with workers put together: its legs, and the operations between them."""

from __future__ import annotations

import itertools
import logging
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, NamedTuple

from daglite.exceptions import TransferError
from daglite.lazy import lazy
from daglite.program import Segment, Step, StreamStage, steps_of
from daglite.records import replace
from daglite.runtime.board import Board
from daglite.runtime.chain import BoundStep
from daglite.runtime.codec import ItemCodec
from daglite.runtime.context import Context
from daglite.runtime.saving import Saver
from daglite.runtime.streams.beside import Nest
from daglite.runtime.streams.endings import Combining, Ending, Intake, Relay
from daglite.runtime.streams.leg import Leg
from daglite.runtime.streams.merge import Merge
from daglite.runtime.streams.operating.between import Between, Known, Pair, between, numbered
from daglite.runtime.streams.operating.inlet import Inlet, Outlet, Outputs, Past
from daglite.runtime.streams.operating.pipe import Through
from daglite.runtime.streams.operating.segments import BoundSegment, Closing, front as read
from daglite.runtime.streams.route import Route
from daglite.runtime.streams.sending.batch import Batcher
from daglite.runtime.streams.sending.gathering import Gathering
from daglite.runtime.streams.sending.shipping import Shipping
from daglite.runtime.streams.source import Source
from daglite.runtime.streams.stream import StreamFlow
from daglite.runtime.streams.verdict import Verdict
from daglite.runtime.streams.window import Window
from daglite.runtime.watching.tally import Tally

if TYPE_CHECKING:
    from daglite.runtime.watching import watched
    from daglite.runtime.watching.watch import Watch
else:
    watched = lazy("daglite.runtime.watching.watched")

__all__ = ["Part", "away", "board_of", "open_intake", "open_parts", "span_of", "steps_and_savers", "stream_flow"]


_log = logging.getLogger("daglite")


class Part(NamedTuple):
    """One segment for workers: what they do, and what takes their results in.

    Where more comes behind it, results go to the `relay`, and from there through what is `behind`, which has a `past`
    where the stream did not begin on workers.
    """

    steps: Sequence[BoundStep]
    intake: Intake
    relay: Relay | None = None
    behind: Between | None = None
    # Its number in the stream; clocks of tasks that run here, before and behind it.
    segment: int = 0
    tallies: tuple[Tally, ...] = ()
    past: Past | None = None

    def after(self, past: Past) -> Part:
        """The same for a stream that has a past."""
        return self._replace(past=past)


def stream_flow(
    context: Context,
    stage: StreamStage,
    source: Source,
    parts: Sequence[Part],
    boards: Sequence[Board],
    ordered: bool,
    ending: Ending,
    nest: Nest,
) -> StreamFlow:
    """The flow of a source through these parts, on a board each; operations may stand behind the last one, too."""
    watch, told = context.watch, context.watch is not None and context.watch.batches
    verdict = Verdict(ordered=ordered)
    inlets = sum(part.behind is not None for part in parts)
    nbytes = stage.limits.nbytes // ((1 + inlets) * nest.share)
    legs: list[Leg] = []
    origin: Source = source
    outlet: Outlet | None = None
    for number, (part, board) in enumerate(zip(parts, boards, strict=True)):
        # Operations see items in the order of the source, whatever the ending says; but for those that do not mind.
        kept = ordered or (part.behind is not None and _minds_order(stage, number + 1))
        merge: Merge[list[object]] = Merge(ordered=kept, first=origin.count)
        legs.append(_leg(context, stage, origin, part, board, merge, verdict, number, nbytes, ending))
        if part.behind is None or part.relay is None:
            continue
        came = 0 if part.past is None else part.past.came
        outputs = Outputs(legs[-1], part.relay, part.behind, lambda: route.failing(), part.past)
        if number + 1 < len(parts):
            origin = Inlet(outputs, part.behind, boards[number + 1].session.codec, came)
        else:
            kind = watched.WatchedOutlet if told else Outlet
            outlet = kind(outputs, ending, Window(stage.limits.items(board.session.workers), nbytes), came)
    taken = None if nest.outer is None else nest.taken
    route = Route(legs, verdict, outlet=outlet, size=stage.limits.window, taken=taken)
    if watch is not None:
        workers = sum({board: board.session.workers for board in boards}.values())
        gauge = watched.WindowGauge(route, source.count, context.ledger)
        size = stage.limits.window or sum(leg.window.size for leg in legs)
        watch.opened(watch.stage_of(parts[0].steps[0].number), workers, size, source.total, gauge)
    flow = (watched.WatchedFlow if told else StreamFlow)(
        source=source,
        route=route,
        verdict=verdict,
        boards=context.boards,
        nest=nest,
        # The streams that it pulls have the other places of a window of a given size.
        most_asked=1 if nest.pulled and stage.limits.window is not None else None,
        failed_beside=context.error_beside,
    )
    if watch is not None:
        _watch(watch, flow, outlet, parts, len(stage.segments) - 1)
    return flow


def _watch(watch: Watch, flow: StreamFlow, outlet: Outlet | None, parts: Sequence[Part], last: int) -> None:
    """Let the parts that tell of what they do know where they are."""
    number = watch.stage_of(parts[0].steps[0].number)
    for part in parts:
        if isinstance(part.intake, watched.WatchedIntake):
            part.intake.watch(watch, number, part.segment)
    if isinstance(outlet, watched.WatchedOutlet):
        outlet.watch(watch, number, last)
    if isinstance(flow, watched.WatchedFlow):
        flow.watch(watch, number, [tally for part in parts for tally in part.tallies])


def _minds_order(stage: StreamStage, number: int) -> bool:
    """Whether what stands behind a leg depends on the order: not the taking apart of lists, if nothing is saved by
    number.
    """
    for segment in stage.segments[number:]:
        steps = [*segment.links, *(operation.step for operation in segment.operations)]
        if any(step.saves for step in steps) or not segment.operations:
            return True
        if any(one.kind != "unbatch" for one in segment.operations):
            return True
    return False


def _leg(
    context: Context,
    stage: StreamStage,
    origin: Source,
    part: Part,
    board: Board,
    merge: Merge[list[object]],
    verdict: Verdict,
    number: int,
    nbytes: int,
    ending: Ending,
) -> Leg:
    session = board.session
    *steps, last = part.steps
    steps.append(replace(last, spreads=last.spreads and session.resumes(last.function)))
    window = Window(stage.limits.items(session.workers), nbytes, folds=steps[-1].starts is not None)
    gathering = _gathering(context, board, steps, window, nbytes, ending) if part.relay is None else None
    shipping = Shipping(
        source=origin,
        board=board,
        codec=session.codec,
        program=session.install(steps),
        steps=steps,
        window=window,
        batcher=Batcher(*stage.limits.batch_items(session.workers), session.pace),
        merge=merge,
        verdict=verdict,
        retries=context.retries,
        leg=number,
        gathering=gathering,
    )
    return Leg(origin=origin, shipping=shipping, window=window, merge=merge, intake=part.intake, gathering=gathering)


def _gathering(
    context: Context, board: Board, steps: Sequence[BoundStep], window: Window, nbytes: int, ending: Ending
) -> Gathering | None:
    """What puts parts together on the workers, where they may stay there.

    Not where nothing may start twice: a part that stays can be lost.
    """
    again = context.retries > 0 and all(step.function.retry_on_crash for step in steps)
    if not isinstance(ending, Combining) or not board.session.keeps or not again:
        return None
    try:
        ending.gathering = Gathering(
            board=board, step=ending.step, window=window, retries=context.retries, nbytes=nbytes, home=ending.add
        )
    except TransferError as error:
        _log.debug("parts are put together in the coordinator: %s", error)
    return ending.gathering


def open_parts(
    context: Context,
    stage: StreamStage,
    segments: Sequence[BoundSegment],
    ending: Ending,
    source: Source,
    fold: BoundStep | None,
    codec: ItemCodec,
) -> tuple[Source, list[Part]]:
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
        trials=context.trials,
        gaps=start,
        index_of=source.index_of,
    )
    own: Tally | None = None
    if places[0] or segments[0].pipe is not None:
        if context.watch is not None and context.watch.steps and isinstance(stage.source, Step):
            own = Tally(source.number)
        source = _behind_front(stage, source, front, codec, own)
    parts: list[Part] = []
    before = front.tallies if own is None else (own, *front.tallies)
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
                trials=context.trials,
                gaps=gaps,
                most=stage.most if following is None else None,
            )
        steps, wanted = steps_and_savers(bound.links, bound.savers, fold if last else None)
        relay = None if last else Relay()
        most, folds = (stage.most, fold is not None) if last else (None, False)
        intake = open_intake(context, wanted, relay or ending, span, parts=folds, most=most)
        tallies = (*before, *(() if behind is None else behind.tallies))
        before = ()
        parts.append(Part(steps, intake, relay, behind, place, tallies))
        span = None if behind is None or behind.known is None else behind.known.span
    return source, parts


def board_of(context: Context, segment: Segment) -> Board:
    """The workers of a segment."""
    return context.board_at(segment.site, loops=segment.loops)


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


def _behind_front(stage: StreamStage, source: Source, front: Between, codec: ItemCodec, tally: Tally | None) -> Source:
    """The source behind what stands on it in the coordinator; `tally` is its own clock."""
    # A generator may use one object again and again; what comes from a list is what it is.
    copied_by = codec if isinstance(stage.source, Step) else None
    through = Through(read(source, codec=copied_by, tally=tally), front.pipe, source.close)
    items: Iterator[object] = through
    if front.known is not None:
        items = Closing(numbered(through, front.numbering, front.known), through.close)
    last = front.last
    return Source(items, name=last.function.name, number=last.number, saver=None, codec=codec, indices=front.known)


def span_of(source: Source) -> Callable[[int, int], Sequence[int]] | None:
    """The indices of items of a source by their places, where they are not the same."""
    indices = source.indices
    if indices is None or isinstance(indices, Known):
        return None if indices is None else indices.span
    return lambda first, size: [indices[place] for place in range(first, first + size)]


def open_intake(
    context: Context,
    wanted: Sequence[Saver | None],
    ending: Ending,
    span: Callable[[int, int], Sequence[int]] | None,
    *,
    parts: bool,
    most: int | None,
) -> Intake:
    """What takes results in; see `Intake`."""
    kind = watched.WatchedIntake if context.watch is not None and context.watch.batches else Intake
    return kind(wanted, ending, span, parts=parts, most=most, ledger=context.ledger)


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
