"""The report of a run: what every step and every worker did, counted and timed."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field

from daglite.events import (
    BatchCompleted,
    CompletedLocally,
    Delivered,
    Detail,
    Event,
    Lost,
    PartialsMerged,
    Pulled,
    RunEnded,
    RunStarted,
    Sent,
    StageEnded,
    StageStarted,
    StepTime,
    StreamOpened,
    Waited,
    WorkerEnded,
    WorkerStarted,
)
from daglite.exceptions import TaskError
from daglite.observe import bottleneck, sheet
from daglite.observe.measures import (
    StageTotals,
    StepReport,
    StepTotals,
    StreamReport,
    WorkerReport,
    WorkerTotals,
    reported_steps,
)
from daglite.program import Program


class Report:
    """Counts and times a run, or one run after the other; `print` it when the run is over.

    >>> from daglite import task
    >>> @task
    ... def double(x: int) -> int:
    ...     return x * 2
    >>> report = Report()
    >>> double.map(x=[1, 2, 3]).run(runtime="inline", observers=[report])
    [2, 4, 6]
    >>> [(step.task, step.items_in, step.items_out) for step in report.steps]
    [('double', 3, 3)]
    """

    detail: Detail = "steps"

    def __init__(self) -> None:
        self._run = _RunTotals()

    def on_event(self, event: Event, /) -> None:
        if isinstance(event, RunStarted):
            self._run = _RunTotals(event.program, event.runtime, event.at)
        self._run.on_event(event)

    @property
    def seconds(self) -> float:
        """How long the run took, with the start and the end of its workers."""
        return self._run.seconds

    @property
    def error(self) -> str | None:
        """The name of the error that ended the run."""
        return self._run.error

    @property
    def steps(self) -> tuple[StepReport, ...]:
        """One for each line of `explain`, in its order."""
        run = self._run
        return tuple(reported_steps(run.begun(), run.stages, run.steps)) if run.program is not None else ()

    @property
    def streams(self) -> tuple[StreamReport, ...]:
        """One for each stream."""
        return tuple([stage.report(number) for number, stage in sorted(self._run.stages.items()) if stage.opened])

    @property
    def workers(self) -> tuple[WorkerReport, ...]:
        """One for each worker, in the order in which they came."""
        run = self._run
        return tuple([worker.report(name, run.ended) for name, worker in run.workers.items()])

    @property
    def bottlenecks(self) -> tuple[str, ...]:
        """What is to be said of streams whose workers waited for the coordinator, and what would help."""
        run = self._run
        return () if run.program is None else tuple(bottleneck.bottlenecks(self.watched(), run.program))

    @property
    def program(self) -> Program | None:
        """What was run."""
        return self._run.program

    def watched(self) -> bottleneck.ObservedRun:
        """The streams of the run, for `plan.explain(report=...)`."""
        run = self._run
        streams = bottleneck.seen_of(run.begun(), run.stages, self.steps)
        return bottleneck.ObservedRun(bottleneck.engine_of(run.runtime), streams)

    @property
    def deaths(self) -> int:
        """Workers that died while the run went on."""
        return self._run.deaths

    def __str__(self) -> str:
        """The report as a page of text."""
        run = self._run
        program = run.program
        if program is None:
            return "Report of no run yet: give it to one, `plan.run(observers=[report])`"
        return "\n".join(
            sheet.lines(
                program,
                run.runtime,
                run.seconds,
                run.error,
                self.steps,
                self.streams,
                self.workers,
                run.deaths,
                self.bottlenecks,
            )
        )


@dataclass
class _RunTotals:
    """What is known of a run so far."""

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

    def begun(self) -> Program:
        if self.program is None:
            raise TaskError("there is nothing to report yet: give the report to a run, `plan.run(observers=[report])`")
        return self.program

    def on_event(self, event: Event) -> None:
        self.ended = max(self.ended, event.at)
        match event:
            case BatchCompleted():
                self.stages[event.stage].answered(event)
                self._step(event.steps)
                if event.worker is not None:
                    self._worker(event.worker, event.sent).answered(event)
            case PartialsMerged():
                self.stages[event.stage].work += event.seconds
                if event.worker is not None:
                    self._worker(event.worker, event.sent).seconds += event.seconds
            case Sent():
                self.stages[event.stage].sent(event)
            case Pulled():
                self.stages[event.stage].pulled(event)
            case Delivered():
                self.stages[event.stage].delivered(event)
            case CompletedLocally():
                self.stages[event.stage].called(event)
                self._step(event.steps)
            case Waited():
                self.stages[event.stage].waited(event)
            case Lost():
                self.stages[event.stage].lost += event.items
            case StageStarted():
                self.stages[event.stage].began = event.at
            case StageEnded():
                self.stages[event.stage].end(event.at, well=True)
            case StreamOpened():
                self.stages[event.stage].open(event)
            case WorkerStarted():
                self._worker(event.worker, event.at)
            case WorkerEnded():
                self._worker(event.worker, event.at).ended = event.at
                self.deaths += event.why == "died"
            case RunEnded():
                self.error = None if event.error is None else type(event.error).__name__
                for stage in self.stages.values():
                    stage.end(event.at, well=False)
            case _:
                pass

    def _worker(self, worker: int, at: float) -> WorkerTotals:
        return self.workers.setdefault(worker, WorkerTotals(at))

    def _step(self, times: tuple[StepTime, ...]) -> None:
        for time in times:
            self.steps[time.step].add(time)
