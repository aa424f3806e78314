"""The sums of a run, over the events of each stage, segment, step and worker; they are read as records of a report."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field

import daglite.events as events
from daglite.exceptions import TaskError
from daglite.program import CallStage, MaterialiseStage, Place, Program, Segment, Stage, Step, StreamStage, steps_of
from daglite.records import record, replace


@record(eq=True)
class StepReport:
    """One step. A value that was not measured, or has no meaning for the step, is None.

    `busy`: seconds in its calls, of all workers together. `waiting`: of a source, seconds in which it was not asked
    because all workers had enough work; of the first of several tasks that run as one, seconds in which workers were
    idle. `blocked`: of a source, seconds in which it was not asked because of the limit of items in flight. `nbytes`:
    size of its items or results on their way between processes. `repeated`: attempts after one that raised. `failed`:
    items that failed at their last attempt without ending the run.
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
    """One stream: its workers (0: it ran in the coordinator), the limit and the peak of items in flight.

    `lost` counts items whose worker died while it held them. Of the `seconds` of the stream, the coordinator was at
    work for `busy` (None without workers), and all workers together for `work`.
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
    """One worker: its batches and their items, seconds at work, and seconds in which it was idle."""

    worker: int
    batches: int
    items: int
    busy: float
    waiting: float


@dataclass
class StepTotals:
    """The sums of one step."""

    seconds: float = 0.0
    begun: int = 0
    returned: int = 0
    repeated: int = 0
    failed: int = 0

    def add(self, time: events.StepTime) -> None:
        self.seconds += time.seconds
        self.begun += time.begun
        self.returned += time.returned
        self.repeated += time.repeated
        self.failed += time.failed


@dataclass
class WorkerTotals:
    """The sums of one worker."""

    began: float
    ended: float | None = None
    batches: int = 0
    items: int = 0
    seconds: float = 0.0

    def report(self, worker: int, end: float) -> WorkerReport:
        lifetime = (end if self.ended is None else self.ended) - self.began
        return WorkerReport(worker, self.batches, self.items, self.seconds, max(0.0, lifetime - self.seconds))


@dataclass
class SegmentTotals:
    """The sums of one segment of a stream: its batches, and the results that were delivered from it."""

    batches: int = 0
    back_bytes: int = 0
    delivered: int = 0
    seconds: float = 0.0


@dataclass
class StageTotals:
    """The sums of one stage; `opened` is None for single calls."""

    opened: events.StreamOpened | None = None
    complete: bool = False
    peak: int = 0
    seconds: float = 0.0
    items: int = 0
    source_seconds: float = 0.0
    batches: int = 0
    sent_bytes: int = 0
    back_bytes: int = 0
    work: float = 0.0
    local_items: int = 0
    lost: int = 0
    waited: dict[str, float] = field(default_factory=lambda: defaultdict(float))
    segments: dict[int, SegmentTotals] = field(default_factory=lambda: defaultdict(SegmentTotals))

    def add(self, event: events.Event) -> None:
        match event:
            case events.BatchCompleted():
                self.batches += 1
                self.back_bytes += event.nbytes
                self.work += event.seconds
                segment = self.segments[event.segment]
                segment.batches += 1
                segment.back_bytes += event.nbytes
            case events.Delivered():
                segment = self.segments[event.segment]
                segment.delivered += event.items
                segment.seconds += event.seconds
            case events.Pulled():
                self.items += event.items
                self.source_seconds += event.seconds
            case events.Sent():
                self.sent_bytes += event.nbytes
            case events.Waited():
                self.waited[event.on] += event.seconds + event.short
            case events.CompletedLocally():
                self.local_items += event.items
            case events.PartialsMerged():
                self.work += event.seconds
            case events.Lost():
                self.lost += event.items
            case events.StreamOpened():
                self.opened = event
            case events.StageEnded():
                self.complete = True
                self.end(event.at)
            case _:
                pass

    def end(self, at: float) -> None:
        """Read the gauge for the last time, and let go of it: it refers to the items of the stream."""
        if self.opened is not None and not isinstance(self.opened.gauge, _EndedGauge):
            self.peak, self.seconds = self.opened.gauge.peak, at - self.opened.at
            self.opened = replace(self.opened, gauge=_EndedGauge())

    @property
    def workers(self) -> int:
        return 0 if self.opened is None else self.opened.workers

    @property
    def busy(self) -> float | None:
        """Seconds in which the coordinator did not wait; None without workers."""
        return max(0.0, self.seconds - sum(self.waited.values())) if self.workers else None

    @property
    def idle(self) -> float:
        """Seconds in which workers had nothing to do, of all workers together."""
        return max(0.0, self.workers * self.seconds - self.work)

    def report(self, number: int) -> StreamReport:
        assert self.opened is not None
        return StreamReport(
            number,
            self.workers,
            self.opened.max_in_flight,
            max(self.peak, self.opened.gauge.peak),
            self.batches,
            self.sent_bytes,
            self.back_bytes,
            self.lost,
            self.seconds,
            self.busy,
            self.work,
        )


class _EndedGauge:
    pulled = done = in_flight = peak = failed = 0


@dataclass
class RunTotals:
    """The sums of a run so far."""

    program: Program | None = None
    runtime: str = ""
    began: float = 0.0
    ended: float = 0.0
    error: str | None = None
    deaths: int = 0
    stages: dict[int, StageTotals] = field(default_factory=lambda: defaultdict(StageTotals))
    steps: dict[int, StepTotals] = field(default_factory=lambda: defaultdict(StepTotals))
    workers: dict[int, WorkerTotals] = field(default_factory=dict)

    @property
    def seconds(self) -> float:
        return self.ended - self.began

    def add(self, event: events.Event) -> None:
        self.ended = max(self.ended, event.at)
        match event:
            case events.BatchCompleted() | events.PartialsMerged():
                self.stages[event.stage].add(event)
                worker = None if event.worker is None else self._worker(event.worker, event.sent)
                if worker is not None:
                    worker.seconds += event.seconds
                if isinstance(event, events.BatchCompleted):
                    self._add_steps(event.steps)
                    if worker is not None:
                        worker.batches += 1
                        worker.items += event.done
            case events.CompletedLocally():
                self.stages[event.stage].add(event)
                self._add_steps(event.steps)
            case events.WorkerStarted():
                self._worker(event.worker, event.at)
            case events.WorkerEnded():
                self._worker(event.worker, event.at).ended = event.at
                self.deaths += event.why == "died"
            case events.RunEnded():
                self.error = None if event.error is None else type(event.error).__name__
                for stage in self.stages.values():
                    stage.end(event.at)
            case events.RunStarted() | events.Heartbeat():
                pass
            case _:
                self.stages[event.stage].add(event)

    def _worker(self, worker: int, at: float) -> WorkerTotals:
        return self.workers.setdefault(worker, WorkerTotals(at))

    def _add_steps(self, times: tuple[events.StepTime, ...]) -> None:
        for time in times:
            self.steps[time.step].add(time)

    def started(self) -> Program:
        """Return the program of the run; raise `TaskError` before the first run."""
        if self.program is None:
            raise TaskError("there is nothing to report yet: give the report to a run, `plan.run(observers=[report])`")
        return self.program

    def step_reports(self) -> tuple[StepReport, ...]:
        stages = () if self.program is None else self.program.stages
        return tuple([row for number, stage in enumerate(stages) for row in self._of_stage(number, stage)])

    def stream_reports(self) -> tuple[StreamReport, ...]:
        return tuple([totals.report(number) for number, totals in sorted(self.stages.items()) if totals.opened])

    def worker_reports(self) -> tuple[WorkerReport, ...]:
        return tuple([totals.report(worker, self.ended) for worker, totals in self.workers.items()])

    def _of_stage(self, number: int, stage: Stage) -> Iterator[StepReport]:
        """Yield the steps of a stage in the order of `explain`."""
        totals = self.stages.get(number, StageTotals())
        for position, step in enumerate(steps_of(stage)):
            timed = self._timed(number, step, joined=position > 0)
            if isinstance(stage, StreamStage):
                yield _in_stream(stage, totals, step, timed, self.steps)
                continue
            if isinstance(stage, MaterialiseStage) and not stage.streamed:
                # A direct call of a generator gives one list, wherever it runs.
                timed = replace(timed, items_out=int(totals.complete))
            if not (isinstance(stage, CallStage) and position):
                timed = replace(timed, items_in=None)
            yield replace(timed, where="workers", batches=totals.batches) if totals.batches else timed

    def _timed(self, number: int, step: Step, *, joined: bool) -> StepReport:
        """Return the report of a step that the coordinator ran, from the times of its calls."""
        totals = self.steps.get(step.number, StepTotals())
        return StepReport(
            step.number,
            number,
            "coordinator",
            joined,
            step.function.name,
            items_in=totals.begun,
            items_out=totals.returned,
            batches=None,
            nbytes=None,
            busy=totals.seconds,
            waiting=None,
            blocked=None,
            repeated=totals.repeated,
            failed=totals.failed,
        )


def _in_stream(
    stage: StreamStage, totals: StageTotals, step: Step, timed: StepReport, steps: dict[int, StepTotals]
) -> StepReport:
    """Return the report of a step of a stream.

    The coordinator's own calls are known from their times, items that it only moved from the events of batches; a run
    with `runtime="auto"` has both.
    """
    if step is stage.source:
        return _of_source(stage, totals, timed)
    if step is stage.sink_step:
        return _of_sink(stage, totals, timed, _seconds_before_sink(stage, steps) if totals.workers else 0.0)
    if not totals.workers or step not in stage.links or step.function.here:
        return timed
    number, segment = next((number, one) for number, one in enumerate(stage.segments) if step in one.links)
    sums = totals.segments[number]
    sends_results = step is segment.links[-1] and not (stage.folds_on_workers and segment is stage.last)
    return replace(
        timed,
        where="workers",
        batches=sums.batches,
        nbytes=sums.back_bytes if sends_results else None,
        waiting=totals.idle if step is stage.links[0] else None,
    )


def _of_source(stage: StreamStage, totals: StageTotals, timed: StepReport) -> StepReport:
    first = stage.segments[0]
    # Behind operations or tasks in the coordinator, items that were pulled are not those of the source.
    if first.operations or (first.links and _is_local(first)):
        found = replace(timed, items_in=None)
    else:
        items, seconds = totals.items + (timed.items_out or 0), totals.source_seconds + (timed.busy or 0.0)
        found = replace(timed, items_in=None, items_out=items, busy=seconds)
    if not totals.workers:
        return found
    waiting, blocked = totals.waited.get("workers", 0.0), totals.waited.get("max_in_flight", 0.0)
    return replace(found, nbytes=totals.sent_bytes, waiting=waiting, blocked=blocked)


def _of_sink(stage: StreamStage, totals: StageTotals, timed: StepReport, seconds_before: float) -> StepReport:
    last = totals.segments[len(stage.segments) - 1]
    begun, returned = timed.items_in or 0, timed.items_out or 0
    if stage.sink == "join":
        # A join is called once, with all items.
        return replace(timed, items_in=last.delivered + max(0, totals.local_items - begun))
    busy = (timed.busy or 0.0) + max(0.0, last.seconds - seconds_before)
    found = replace(timed, items_in=last.delivered + returned, items_out=int(totals.complete), busy=busy)
    if not stage.folds_on_workers:
        return found
    if not totals.workers:
        return replace(found, items_in=returned)
    return replace(
        found,
        where="workers",
        items_in=begun,
        batches=totals.batches,
        nbytes=totals.back_bytes,
        waiting=None if stage.links else totals.idle,
    )


def _seconds_before_sink(stage: StreamStage, steps: dict[int, StepTotals]) -> float:
    """Return the seconds of local steps between the last workers and the sink, which pulls their results."""
    remote = [number for number, segment in enumerate(stage.segments) if not _is_local(segment)]
    if not remote:
        return 0.0
    after = stage.segments[remote[-1] + 1 :]
    local = [step for one in after for step in (*(operation.step for operation in one.operations), *one.links)]
    return sum(steps[step.number].seconds for step in local if step.number in steps)


def _is_local(segment: Segment) -> bool:
    """Return whether the coordinator runs all tasks of a segment."""
    return all(link.function.here for link in segment.links)
