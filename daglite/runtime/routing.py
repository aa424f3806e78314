"""A stream with workers put together: its legs, and the operations between them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

from daglite.lazy import lazy
from daglite.program import Segment, Step, StreamStage
from daglite.records import replace
from daglite.runtime.batch import Batcher
from daglite.runtime.board import Board
from daglite.runtime.chain import BoundStep
from daglite.runtime.context import Context
from daglite.runtime.endings import Ending, Intake, Relay
from daglite.runtime.inlet import Inlet, Outlet, Outputs
from daglite.runtime.leg import Leg
from daglite.runtime.merge import Merge
from daglite.runtime.operators import Pipe
from daglite.runtime.route import Route
from daglite.runtime.saving import Saver
from daglite.runtime.segments import BoundSegment
from daglite.runtime.shipping import Shipping
from daglite.runtime.source import Source
from daglite.runtime.stream import StreamFlow
from daglite.runtime.verdict import Verdict
from daglite.runtime.window import Window

if TYPE_CHECKING:
    from daglite.runtime import watched
else:
    watched = lazy("daglite.runtime.watched")

__all__ = ["Behind", "Part", "open_intake", "open_parts", "steps_and_savers", "stream_flow"]


class Behind(NamedTuple):
    """Operations behind a leg, with the last of them, which is what the next leg or the ending reads."""

    pipe: Pipe
    last: Step
    relay: Relay


class Part(NamedTuple):
    """One segment for workers: what they do, and what takes their results in."""

    steps: Sequence[BoundStep]
    intake: Intake
    behind: Behind | None = None


def stream_flow(
    context: Context,
    board: Board,
    stage: StreamStage,
    source: Source,
    parts: Sequence[Part],
    ordered: bool,
    ending: Ending,
) -> StreamFlow:
    """The flow of a source through these parts; behind the last one may be operations, too, before the `ending`."""
    verdict = Verdict(ordered=ordered)
    inlets = sum(part.behind is not None for part in parts)
    nbytes = stage.limits.nbytes // (1 + inlets)
    legs: list[Leg] = []
    origin: Source = source
    outlet: Outlet | None = None
    for number, (steps, intake, behind) in enumerate(parts):
        # Operations see items in the order of the source, whatever the ending says; but for those that do not mind.
        kept = ordered or (behind is not None and _minds_order(stage, number + 1))
        merge: Merge[list[object]] = Merge(ordered=kept, first=origin.count)
        leg = _leg(context, board, stage, origin, steps, intake, merge, verdict, number, nbytes)
        legs.append(leg)
        if behind is None:
            continue
        outputs = Outputs(leg, behind.relay, behind.pipe, lambda: route.failing())
        if number + 1 < len(parts):
            name = behind.last.function.name
            origin = Inlet(outputs, name=name, number=behind.last.number, codec=board.session.codec)
        else:
            outlet = Outlet(outputs, ending, Window(stage.limits.items(board.session.workers), nbytes))
    route = Route(legs, verdict, outlet=outlet, size=stage.limits.window)
    watch, workers = context.watch, board.session.workers
    told = watch is not None and watch.batches
    if watch is not None:
        number = watch.stage_of(parts[0].steps[0].number)
        gauge = watched.WindowGauge(route, source.count)
        watch.opened(number, workers, stage.limits.items(workers), source.total, gauge)
    flow = (watched.WatchedFlow if told else StreamFlow)(
        source=source,
        route=route,
        verdict=verdict,
        helper_thread=stage.limits.helper_thread,
        failed_beside=lambda: None if context.calls is None else context.calls.error,
    )
    if watch is not None:
        for watching in (flow, *(part.intake for part in parts)):
            if isinstance(watching, watched.WatchedIntake | watched.WatchedFlow):
                watching.watch(watch, watch.stage_of(parts[0].steps[0].number))
    return flow


def _minds_order(stage: StreamStage, number: int) -> bool:
    """Whether what stands behind a leg depends on the order: not the taking apart of lists, if nothing is saved by
    number.
    """
    for segment in stage.segments[number:]:
        steps = [*segment.links, *(operation.step for operation in segment.operations)]
        if any(step.saves for step in steps) or any(one.kind != "unbatch" for one in segment.operations):
            return True
    return False


def _leg(
    context: Context,
    board: Board,
    stage: StreamStage,
    origin: Source,
    steps: Sequence[BoundStep],
    intake: Intake,
    merge: Merge[list[object]],
    verdict: Verdict,
    number: int,
    nbytes: int,
) -> Leg:
    session = board.session
    workers = session.workers
    steps = [replace(step, spreads=step.spreads and session.resumes(step.function)) for step in steps]
    window = Window(stage.limits.items(workers), nbytes, folds=steps[-1].starts is not None)
    shipping = Shipping(
        source=origin,
        board=board,
        codec=board.session.codec,
        program=board.session.install(steps),
        steps=steps,
        window=window,
        batcher=Batcher(*stage.limits.batch_items(workers)),
        merge=merge,
        verdict=verdict,
        retries=context.retries,
        leg=number,
    )
    return Leg(origin=origin, shipping=shipping, window=window, merge=merge, intake=intake, board=board)


def open_parts(
    context: Context,
    stage: StreamStage,
    segments: Sequence[BoundSegment],
    ending: Ending,
    indices: Sequence[int] | None,
    fold: BoundStep | None,
) -> list[Part]:
    """The segments of a stream as parts for workers; operations in front of the first belong to the source.

    A last segment that has neither links nor a `fold` has no part: its operations stand behind the one before.
    """
    count = len(segments) if segments[-1].links or fold is not None else len(segments) - 1
    parts: list[Part] = []
    for number, segment in enumerate(segments[:count]):
        last = number == len(segments) - 1
        behind = None if last else _behind(stage.segments[number + 1], segments[number + 1])
        steps, wanted = steps_and_savers(segment.links, segment.savers, fold if last else None)
        intake = open_intake(
            context,
            wanted,
            ending if behind is None else behind.relay,
            None if number else indices,
            parts=last and fold is not None,
            most=stage.most if last else None,
        )
        parts.append(Part(steps, intake, behind))
    return parts


def open_intake(
    context: Context,
    wanted: Sequence[Saver | None],
    ending: Ending,
    indices: Sequence[int] | None,
    *,
    parts: bool,
    most: int | None,
) -> Intake:
    """What takes results in; see `Intake`."""
    kind = watched.WatchedIntake if context.watch is not None and context.watch.batches else Intake
    return kind(wanted, ending, indices, parts=parts, most=most)


def _behind(planned: Segment, segment: BoundSegment) -> Behind:
    assert segment.pipe is not None
    return Behind(segment.pipe, planned.operations[-1].step, Relay())


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
