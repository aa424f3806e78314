"""Whether the coordinator is what all workers wait for: of a run that was seen, and of one that is to come."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence

from daglite.observe.amounts import seconds_text
from daglite.observe.measures import StageTotals, StepReport
from daglite.options import Limits
from daglite.program import Program, Step, StreamStage, steps_of
from daglite.records import record, replace
from daglite.scaling import (
    TOLLS,
    CoordinatorPart,
    PartKind,
    StreamStats,
    advice,
    fitted,
    is_bottleneck,
    least_item,
    most_workers,
    slowest,
)
from daglite.short_repr import counted

# What bounds nothing: to see what a larger window would change.
_ROOMY = Limits(max_in_flight=10**9, max_batch_size=10**9)


@record
class ObservedRun:
    """The streams of a run that was seen, by the numbers of their stages, and its engine."""

    engine: str
    streams: Mapping[int, StreamStats]


def engine_of(runtime: str) -> str:
    """The engine that the name of a runtime, or the `repr` of one, stands for; "processes" for what is not known."""
    found = re.match(r"\w*", runtime)
    name = "" if found is None else found[0].lower()
    return name if name in TOLLS or name == "inline" else "processes"


def seen_of(program: Program, stages: Mapping[int, StageTotals], steps: Sequence[StepReport]) -> dict[int, StreamStats]:
    """What was seen of each stream that flowed."""
    streams = [(number, stage) for number, stage in enumerate(program.stages) if isinstance(stage, StreamStage)]
    return {
        number: _seen(stage, stages[number], [step for step in steps if step.stage == number])
        for number, stage in streams
        if number in stages and stages[number].opened is not None
    }


def bottlenecks(watched: ObservedRun, program: Program) -> Iterator[str]:
    """A sentence for each stream of a run whose workers waited for the coordinator."""
    toll = TOLLS.get(watched.engine, TOLLS["processes"])
    for number, seen in watched.streams.items():
        if not is_bottleneck(seen):
            continue
        part, workers = seen.largest, counted(seen.workers, "worker")
        most = max(1, min(seen.workers - 1, most_workers(*fitted(seen, toll), program.limits)))
        use = f", or use {counted(most, 'worker')}" if seen.workers > 1 else ""
        yield (
            f"stream {number}: the coordinator was the bottleneck: at work for {seen.share:.0%} of "
            f"{seconds_text(seen.seconds)}, while {workers} had nothing to do for {seen.idle:.0%} of it; "
            f"most of that in {_named(part)} ({seconds_text(part.seconds)}): {advice(part.kind)}{use}"
        )


def expected(program: Program, engine: str, workers: int, watched: ObservedRun | None) -> Iterator[str]:
    """What is to be expected of the coordinator of so many workers: a sentence or two for each stream."""
    streams = [(number, stage) for number, stage in enumerate(program.stages) if isinstance(stage, StreamStage)]
    for number, stage in streams:
        where = f"stream {number}: " if len(streams) > 1 else ""
        if engine == "inline":
            yield f"coordinator: {where}with runtime='inline' it does everything, and there are no workers"
        elif not _away(stage):
            told = "no task of this stream runs on workers, so any number of them changes nothing"
            yield f"warning: {where}the coordinator is the bottleneck: {told}"
        elif watched is not None and number in watched.streams:
            yield from _as_seen(where, stage, engine, workers, watched.streams[number], watched.engine)
        else:
            yield _unseen(where, stage, engine, workers)


def _as_seen(
    where: str, stage: StreamStage, engine: str, workers: int, seen: StreamStats, engine_seen: str
) -> Iterator[str]:
    load, toll = fitted(seen, TOLLS.get(engine_seen, TOLLS["processes"]))
    if engine != engine_seen:
        load, toll = replace(load, here=load.here + max(0.0, TOLLS[engine].item - toll.item)), TOLLS[engine]
    most, items = most_workers(load, toll, stage.limits), max(1, seen.items)
    tasks = [part for part in seen.parts if part.seconds > 0]
    told = "".join(f"{_named(part)} {seconds_text(part.seconds / items)}, " for part in tasks)
    enough = f"enough for {counted(most, 'worker')}" if most else "too much for a single worker"
    yield (
        f"coordinator: {where}an item was seen to take {seconds_text(load.there)} of workers, and of the coordinator "
        f"{told}{seconds_text(toll.item)} to move it and {seconds_text(toll.chunk)} for each batch ({engine}): {enough}"
    )
    if workers <= most:
        return
    each = slowest(load, toll, workers, stage.limits)
    # What is not of its tasks is what batches cost, or what moves.
    largest = max(tasks, key=lambda part: part.seconds, default=None)
    kind: PartKind = "moving" if largest is None or largest.seconds / items < each / 2 else largest.kind
    yield (
        f"warning: {where}the coordinator is the bottleneck: {counted(workers, 'worker')} would have nothing to do "
        f"for {1 - load.there / (workers * each):.0%} of the time; {advice(kind)}, or use "
        f"{counted(max(1, most), 'worker')}"
    )


def _unseen(where: str, stage: StreamStage, engine: str, workers: int) -> str:
    toll = TOLLS[engine]
    least, roomy = least_item(workers, toll, stage.limits), least_item(workers, toll, _ROOMY)
    names = [_named(part) for part in _tasks_here(stage)]
    told = f", and {workers:,} times the time of {' and '.join(names)} here" if names else ""
    room = f"; with more `max_in_flight` and `max_batch_size`: {seconds_text(roomy)}" if roomy < 0.8 * least else ""
    return (
        f"coordinator: {where}it is the bottleneck of {counted(workers, 'worker')} ({engine}) unless an item takes "
        f"them {seconds_text(least)}{told}{room}"
    )


def _away(stage: StreamStage) -> bool:
    """Whether workers have anything to do."""
    return stage.folds_on_workers or any(not link.function.here for link in stage.links)


def _seen(planned: StreamStage, stage: StageTotals, reports: Sequence[StepReport]) -> StreamStats:
    kinds = _kinds(planned)
    # A join is called once, when all has flowed.
    pairs = [(step, report) for step, report in zip(steps_of(planned), reports, strict=True) if step.number in kinds]
    here, away = list[CoordinatorPart](), 0.0
    for step, report in pairs:
        kind, seconds = kinds[step.number], report.busy or 0.0
        if kind is None:
            away += seconds
        else:
            here.append(CoordinatorPart(kind, _name(planned, step), seconds))
    first = reports[0]
    items = first.items_out if isinstance(planned.source, Step) else first.items_in
    moved = stage.sent_bytes + stage.back_bytes
    work = stage.work or away
    return StreamStats(stage.flowing, stage.workers, items or 0, stage.batches, moved, stage.busy, work, tuple(here))


def _kinds(stage: StreamStage) -> dict[int, PartKind | None]:
    """What each step is for the coordinator; None: workers run it."""
    found: dict[int, PartKind | None] = {link.number: "task" if link.function.here else None for link in stage.links}
    found |= {operation.step.number: "operation" for operation in stage.operations}
    if isinstance(stage.source, Step):
        found[stage.source.number] = "source"
    if stage.end is not None and stage.sink == "reduce":
        found[stage.end.number] = None if stage.folds_on_workers else "fold"
    return found


def _tasks_here(stage: StreamStage) -> Iterator[CoordinatorPart]:
    """The user's own functions that the coordinator calls for each item; nobody knows how long they take."""
    kinds, silent = _kinds(stage), {operation.step.number for operation in stage.operations if not operation.asked}
    for step in steps_of(stage):
        kind = kinds.get(step.number)
        if kind is not None and step.number not in silent:
            yield CoordinatorPart(kind, step.function.name, 0.0)


def _name(stage: StreamStage, step: Step) -> str:
    return next((one.kind for one in stage.operations if one.step is step and not one.asked), step.function.name)


def _named(part: CoordinatorPart) -> str:
    return "moving items" if part.kind == "moving" else f"{part.kind} '{part.name}'"
