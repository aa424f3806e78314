"""The coordinator as a bottleneck: of a run that was observed, and the estimate for a run to come."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping

from daglite.observe.amounts import seconds_text
from daglite.observe.measures import RunTotals, StageTotals, StepReport
from daglite.options import Limits
from daglite.program import Program, Step, StreamStage, steps_of
from daglite.records import record, replace
from daglite.scaling import (
    ENGINE_COSTS,
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

# Limits that bound nothing, to estimate the effect of larger ones.
_UNBOUNDED = Limits(max_in_flight=10**9, max_batch_size=10**9)


@record
class ObservedRun:
    """The streams of a run, by the numbers of their stages, and its engine."""

    engine: str
    streams: Mapping[int, StreamStats]


def engine_of(runtime: str) -> str:
    """Return the engine of a runtime, given by its name or its `repr`; "processes" for an unknown one."""
    found = re.match(r"\w*", runtime)
    name = "" if found is None else found[0].lower()
    return name if name in ENGINE_COSTS or name == "inline" else "processes"


def observed(run: RunTotals) -> ObservedRun:
    """Return the measurements of a run; raise `TaskError` for one that has not begun."""
    found = {}
    reports = {report.number: report for report in run.step_reports()}
    for number, stage in enumerate(run.started().stages):
        if isinstance(stage, StreamStage) and number in run.stages and run.stages[number].opened is not None:
            found[number] = _stats(stage, run.stages[number], reports)
    return ObservedRun(engine_of(run.runtime), found)


def bottlenecks(run: ObservedRun, program: Program) -> Iterator[str]:
    """Yield a sentence for each stream of a run whose workers waited for the coordinator."""
    cost = ENGINE_COSTS.get(run.engine, ENGINE_COSTS["processes"])
    for number, stats in run.streams.items():
        if not is_bottleneck(stats):
            continue
        part, workers = stats.largest, counted(stats.workers, "worker")
        most = max(1, min(stats.workers - 1, most_workers(*fitted(stats, cost), program.limits)))
        fewer = f", or use {counted(most, 'worker')}" if stats.workers > 1 else ""
        yield (
            f"stream {number}: the coordinator was the bottleneck: at work for {stats.share:.0%} of "
            f"{seconds_text(stats.seconds)}, while {workers} had nothing to do for {stats.idle:.0%} of it; "
            f"most of that in {_part_text(part)} ({seconds_text(part.seconds)}): {advice(part.kind)}{fewer}"
        )


def expected(program: Program, engine: str, workers: int, run: ObservedRun | None) -> Iterator[str]:
    """Yield sentences for each stream on the load of the coordinator with this number of workers.

    They use the measurements of `run` where there is one.
    """
    streams = [(number, stage) for number, stage in enumerate(program.stages) if isinstance(stage, StreamStage)]
    for number, stage in streams:
        where = f"stream {number}: " if len(streams) > 1 else ""
        if engine == "inline":
            yield f"coordinator: {where}with runtime='inline' it does everything, and there are no workers"
        elif not stage.folds_on_workers and all(link.function.here for link in stage.links):
            reason = "no task of this stream runs on workers, so any number of them changes nothing"
            yield f"warning: {where}the coordinator is the bottleneck: {reason}"
        elif run is not None and number in run.streams:
            yield from _measured(where, stage, engine, workers, run.streams[number], run.engine)
        else:
            yield _estimated(where, stage, engine, workers)


def _measured(
    where: str, stage: StreamStage, engine: str, workers: int, stats: StreamStats, engine_of_stats: str
) -> Iterator[str]:
    load, cost = fitted(stats, ENGINE_COSTS.get(engine_of_stats, ENGINE_COSTS["processes"]))
    if engine != engine_of_stats:
        other = ENGINE_COSTS[engine]
        load = replace(load, coordinator=load.coordinator + max(0.0, other.item - cost.item))
        cost = other
    most, items = most_workers(load, cost, stage.limits), max(1, stats.items)
    parts = [part for part in stats.parts if part.seconds > 0]
    times = "".join(f"{_part_text(part)} {seconds_text(part.seconds / items)}, " for part in parts)
    enough = f"enough for {counted(most, 'worker')}" if most else "too much for a single worker"
    yield (
        f"coordinator: {where}an item was seen to take {seconds_text(load.worker)} of workers, and of the coordinator "
        f"{times}{seconds_text(cost.item)} to move it and {seconds_text(cost.batch)} for each batch ({engine}): "
        f"{enough}"
    )
    if workers <= most:
        return
    seconds = slowest(load, cost, workers, stage.limits)
    # Time that the parts do not take goes to batches and to the moving of items.
    largest = max(parts, key=lambda part: part.seconds, default=None)
    kind: PartKind = "moving" if largest is None or largest.seconds / items < seconds / 2 else largest.kind
    yield (
        f"warning: {where}the coordinator is the bottleneck: {counted(workers, 'worker')} would have nothing to do "
        f"for {1 - load.worker / (workers * seconds):.0%} of the time; {advice(kind)}, or use "
        f"{counted(max(1, most), 'worker')}"
    )


def _estimated(where: str, stage: StreamStage, engine: str, workers: int) -> str:
    cost = ENGINE_COSTS[engine]
    least, unbounded = least_item(workers, cost, stage.limits), least_item(workers, cost, _UNBOUNDED)
    names = [_part_text(part) for part in _local_tasks(stage)]
    tasks = f", and {workers:,} times the time of {' and '.join(names)} here" if names else ""
    larger = f"; with more `max_in_flight` and `max_batch_size`: {seconds_text(unbounded)}"
    return (
        f"coordinator: {where}it is the bottleneck of {counted(workers, 'worker')} ({engine}) unless an item takes "
        f"them {seconds_text(least)}{tasks}{larger if unbounded < 0.8 * least else ''}"
    )


def _stats(stage: StreamStage, totals: StageTotals, reports: Mapping[int, StepReport]) -> StreamStats:
    local, remote = list[CoordinatorPart](), 0.0
    # A join is left out: it is called once, after the stream.
    for number, part in _parts(stage).items():
        seconds = reports[number].busy or 0.0
        if part is None:
            remote += seconds
        else:
            local.append(replace(part, seconds=seconds))
    first = reports[steps_of(stage)[0].number]
    items = first.items_out if isinstance(stage.source, Step) else first.items_in
    moved = totals.sent_bytes + totals.back_bytes
    return StreamStats(
        totals.seconds,
        totals.workers,
        items or 0,
        totals.batches,
        moved,
        totals.busy,
        totals.work or remote,
        tuple(local),
    )


def _parts(stage: StreamStage) -> dict[int, CoordinatorPart | None]:
    """Return by step what the coordinator does for each item, without times; None: workers run the step."""
    operations = {operation.step.number: operation for operation in stage.operations}
    found: dict[int, CoordinatorPart | None] = {}
    for step in steps_of(stage):
        name = step.function.name
        if step is stage.source:
            found[step.number] = CoordinatorPart("source", name, 0.0)
        elif step.number in operations:
            operation = operations[step.number]
            found[step.number] = CoordinatorPart("operation", name if operation.calls_task else operation.kind, 0.0)
        elif step is not stage.sink_step:
            found[step.number] = CoordinatorPart("task", name, 0.0) if step.function.here else None
        elif stage.sink == "reduce":
            found[step.number] = None if stage.folds_on_workers else CoordinatorPart("fold", name, 0.0)
    return found


def _local_tasks(stage: StreamStage) -> Iterator[CoordinatorPart]:
    """Yield the tasks that the coordinator calls for each item, whose time is unknown before a run."""
    plain = {operation.step.number for operation in stage.operations if not operation.calls_task}
    yield from (part for number, part in _parts(stage).items() if part is not None and number not in plain)


def _part_text(part: CoordinatorPart) -> str:
    return "moving items" if part.kind == "moving" else f"{part.kind} '{part.name}'"
