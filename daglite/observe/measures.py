"""What a report counts of each stage, step and worker, and the records it is told as."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from daglite.events import (
    BatchCompleted,
    CompletedLocally,
    Delivered,
    Gauge,
    Pulled,
    Sent,
    StepTime,
    StreamOpened,
    Waited,
)
from daglite.program import (
    CallStage,
    MaterialiseStage,
    Place,
    Program,
    Segment,
    Stage as PlannedStage,
    Step as PlannedStep,
    StreamStage,
    steps_of,
)
from daglite.records import record


@record(eq=True)
class StepReport:
    """One step. What was not measured, or has no meaning for the step, is None.

    `busy`: seconds in its calls, of all workers together. `waiting`: of a source, seconds in which it was not asked
    because all workers had enough to do; of the first of the tasks that run as one, seconds in which workers had
    nothing to do. `blocked`: seconds in which a source was not asked because the in-flight limit was reached.
    `nbytes`: what its items or results took on their way between processes. `repeated`: attempts after one that raised.
    `failed`: items at which it failed for good, while the run went on.
    """

    number: int
    stage: int
    where: Place
    joined: bool
    task: str
    items_in: int | None
    items_out: int | None
    batches: int | None
    nbytes: int | None
    busy: float | None
    waiting: float | None
    blocked: float | None
    repeated: int
    failed: int = 0


@record(eq=True)
class StreamReport:
    """One stream: its workers (0: it stayed in the coordinator), the most items that may be in flight, and that were.

    `lost` counts items whose worker died under them or behind them in a batch. Of its `seconds` the coordinator was at
    work for `busy` (None where there are no workers), and its workers, all together, for `work`.
    """

    stage: int
    workers: int
    max_in_flight: int
    peak: int
    batches: int
    sent: int
    back: int
    lost: int
    seconds: float
    busy: float | None = None
    work: float = 0.0


@record(eq=True)
class WorkerReport:
    """One worker: its batches and their items, seconds at work, and seconds in which it had nothing to do."""

    worker: int
    batches: int
    items: int
    busy: float
    waiting: float


@dataclass
class StepTotals:
    """Sums over the clocks of one step."""

    seconds: float = 0.0
    begun: int = 0
    returned: int = 0
    repeated: int = 0
    failed: int = 0

    def add(self, time: StepTime) -> None:
        self.seconds += time.seconds
        self.begun += time.begun
        self.returned += time.returned
        self.repeated += time.repeated
        self.failed += time.failed


@dataclass
class WorkerTotals:
    """Sums over one worker."""

    began: float
    ended: float | None = None
    batches: int = 0
    items: int = 0
    seconds: float = 0.0

    def answered(self, event: BatchCompleted) -> None:
        self.batches += 1
        self.items += event.done
        self.seconds += event.seconds

    def report(self, worker: int, end: float) -> WorkerReport:
        there = (end if self.ended is None else self.ended) - self.began
        return WorkerReport(worker, self.batches, self.items, self.seconds, max(0.0, there - self.seconds))


@dataclass
class SegmentTotals:
    """Sums over one segment of a stream."""

    batches: int = 0
    back_bytes: int = 0
    arrived: int = 0
    passing: float = 0.0


@dataclass
class StageTotals:
    """Sums over one stage."""

    began: float = 0.0
    ended: float | None = None
    done_with: bool = False
    opened: StreamOpened | None = None
    peak: int = 0
    flowing: float = 0.0
    items: int = 0
    source: float = 0.0
    batches: int = 0
    sent_bytes: int = 0
    back_bytes: int = 0
    done: int = 0
    work: float = 0.0
    calls: int = 0
    on_in_flight: float = 0.0
    on_workers: float = 0.0
    on_consumer: float = 0.0
    lost: int = 0
    parts: dict[int, SegmentTotals] = field(default_factory=lambda: defaultdict(SegmentTotals))

    def open(self, event: StreamOpened) -> None:
        self.opened = event

    def end(self, at: float, *, well: bool) -> None:
        self.done_with = self.done_with or well
        if self.ended is None:
            self.ended = at
            if self.opened is not None:
                self.peak, self.flowing = self.opened.gauge.peak, at - self.opened.at
                # The gauge holds what it counts.
                self.opened = _without_gauge(self.opened)

    def pulled(self, event: Pulled) -> None:
        self.items += event.items
        self.source += event.seconds

    def sent(self, event: Sent) -> None:
        self.sent_bytes += event.nbytes

    def answered(self, event: BatchCompleted) -> None:
        self.batches += 1
        self.back_bytes += event.nbytes
        self.done += event.done
        self.work += event.seconds
        part = self.parts[event.segment]
        part.batches += 1
        part.back_bytes += event.nbytes

    def delivered(self, event: Delivered) -> None:
        part = self.parts[event.segment]
        part.arrived += event.items
        part.passing += event.seconds

    def called(self, event: CompletedLocally) -> None:
        self.calls += event.items

    def waited(self, event: Waited) -> None:
        seconds = event.seconds + event.short
        match event.on:
            case "max_in_flight":
                self.on_in_flight += seconds
            case "workers":
                self.on_workers += seconds
            case "consumer":
                self.on_consumer += seconds

    @property
    def workers(self) -> int:
        return 0 if self.opened is None else self.opened.workers

    @property
    def busy(self) -> float | None:
        """Seconds in which the coordinator did not wait, with workers beside it."""
        rest = self.on_in_flight + self.on_workers + self.on_consumer
        return max(0.0, self.flowing - rest) if self.workers else None

    @property
    def idle(self) -> float:
        """Seconds in which workers had nothing to do, all together."""
        return max(0.0, self.workers * self.flowing - self.work)

    def report(self, number: int) -> StreamReport:
        assert self.opened is not None
        window, sent, back = self.opened.max_in_flight, self.sent_bytes, self.back_bytes
        peak = self.peak if self.ended is not None else self.opened.gauge.peak
        return StreamReport(
            number, self.workers, window, peak, self.batches, sent, back, self.lost, self.flowing, self.busy, self.work
        )


class _NoMeasure:
    pulled = done = in_flight = peak = failed = 0


_NOTHING: Gauge = _NoMeasure()


def _without_gauge(opened: StreamOpened) -> StreamOpened:
    return StreamOpened(opened.at, opened.stage, opened.workers, opened.max_in_flight, opened.length, _NOTHING)


def reported_steps(
    program: Program, stages: Mapping[int, StageTotals], steps: Mapping[int, StepTotals]
) -> Iterator[StepReport]:
    """The steps in the order of `explain`."""
    for number, stage in enumerate(program.stages):
        for position, step in enumerate(steps_of(stage)):
            sums = stages.get(number, StageTotals())
            yield _StepRow(number, stage, sums, step, steps.get(step.number, StepTotals()), steps).report(position)


def _here(segment: Segment) -> bool:
    """Whether all its tasks run in the coordinator."""
    return all(link.function.here for link in segment.links)


def _fronted(planned: StreamStage) -> bool:
    """Whether something stands beside the source, in the coordinator."""
    first = planned.segments[0]
    return bool(first.operations) or (bool(first.links) and _here(first))


@dataclass
class _StepRow:
    """One step on its way into a report."""

    number: int
    planned: PlannedStage
    stage: StageTotals
    step: PlannedStep
    clock: StepTotals
    clocks: Mapping[int, StepTotals]

    def report(self, position: int) -> StepReport:
        match self.planned:
            case StreamStage():
                return self._in_stream(self.planned, position)
            case MaterialiseStage():
                # A direct call gives one list, wherever it is made.
                out = self.clock.returned if self.planned.streamed else int(self.stage.done_with)
                return self._made(position, None, out)
            case CallStage():
                return self._made(position, self.clock.begun if position else None, self.clock.returned)

    def _in_stream(self, planned: StreamStage, position: int) -> StepReport:
        stage, clock = self.stage, self.clock
        # What goes on to another segment does not end there.
        end = stage.parts[len(planned.segments) - 1]
        shipped = stage.workers > 0
        place: Place = "workers" if shipped else "coordinator"
        # What the coordinator ran itself is known from clocks, what it only moved from the events of batches; a run
        # that chooses for itself has both.
        if any(self.step is operation.step for operation in planned.operations):
            return self._row(
                position, "coordinator", clock.begun, clock.returned, None, None, clock.seconds, None, None
            )
        if self.step is planned.source:
            busy, out = stage.source + clock.seconds, stage.items + clock.returned
            if _fronted(planned):
                # What was pulled then has come through what stands beside it.
                busy, out = clock.seconds, clock.returned
            idle, blocked = (stage.on_workers, stage.on_in_flight) if shipped else (None, None)
            sent = stage.sent_bytes if shipped else None
            return self._row(position, "coordinator", None, out, None, sent, busy, idle, blocked)
        if self.step is not planned.end:
            return self._within(planned, position, shipped)
        if planned.sink == "join":
            # It gets all of them at once.
            came = end.arrived + max(0, stage.calls - clock.begun)
            return self._row(position, "coordinator", came, clock.returned, None, None, clock.seconds, None, None)
        busy, done = clock.seconds + max(0.0, end.passing - self._before(planned)), int(stage.done_with)
        if planned.folds_on_workers and shipped:
            idle = None if planned.links else stage.idle
            return self._row(position, place, clock.begun, done, stage.batches, stage.back_bytes, busy, idle, None)
        came = clock.returned if planned.folds_on_workers else end.arrived + clock.returned
        return self._row(position, "coordinator", came, done, None, None, busy, None, None)

    def _within(self, planned: StreamStage, position: int, shipped: bool) -> StepReport:
        """A task on items, by the segment that it stands in."""
        stage, clock, step = self.stage, self.clock, self.step
        number, segment = next(
            (number, segment) for number, segment in enumerate(planned.segments) if step in segment.links
        )
        if step.function.here:
            return self._row(
                position, "coordinator", clock.begun, clock.returned, None, None, clock.seconds, None, None
            )
        place: Place = "workers" if shipped else "coordinator"
        part = stage.parts[number]
        idle = stage.idle if shipped and step is planned.links[0] else None
        whole = planned.folds_on_workers and segment is planned.last
        last = shipped and step is segment.links[-1] and not whole
        batches, back = part.batches if shipped else None, part.back_bytes if last else None
        return self._row(position, place, clock.begun, clock.returned, batches, back, clock.seconds, idle, None)

    def _before(self, planned: StreamStage) -> float:
        """Seconds in what stands between the last workers and the ending, which asks for its results."""
        places = [number for number, segment in enumerate(planned.segments) if not _here(segment)]
        if not places or not self.stage.workers:
            return 0.0
        behind = planned.segments[places[-1] + 1 :]
        steps = [step for one in behind for step in (*(each.step for each in one.operations), *one.links)]
        return sum(self.clocks[step.number].seconds for step in steps if step.number in self.clocks)

    def _made(self, position: int, came: int | None, out: int) -> StepReport:
        """A step of which the clocks know everything."""
        batches, nbytes = self.stage.batches or None, None
        place: Place = "workers" if batches else "coordinator"
        if place == "coordinator":
            batches = None
        return self._row(position, place, came, out, batches, nbytes, self.clock.seconds, None, None)

    def _row(
        self,
        position: int,
        where: Place,
        came: int | None,
        out: int | None,
        batches: int | None,
        nbytes: int | None,
        busy: float | None,
        waiting: float | None,
        blocked: float | None,
    ) -> StepReport:
        step, name = self.step, self.step.function.name
        return StepReport(
            step.number,
            self.number,
            where,
            position > 0,
            name,
            came,
            out,
            batches,
            nbytes,
            busy,
            waiting,
            blocked,
            self.clock.repeated,
            self.clock.failed,
        )
