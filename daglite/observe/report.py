"""The report of a run: counts and times of every step, stream and worker."""

from __future__ import annotations

import daglite.events as events
from daglite.observe import bottleneck, sheet
from daglite.observe.measures import RunTotals, StepReport, StreamReport, WorkerReport
from daglite.program import Program


class Report:
    """An observer that counts and times a run, or one run after the other; `print` it when the run is over.

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

    detail: events.Detail = "steps"

    def __init__(self) -> None:
        self._run = RunTotals()

    def on_event(self, event: events.Event, /) -> None:
        """Add an event to the sums; the start of a run begins new ones."""
        if isinstance(event, events.RunStarted):
            self._run = RunTotals(event.program, event.runtime, event.at)
        self._run.add(event)

    @property
    def seconds(self) -> float:
        """The duration of the run, with the start and the end of its workers."""
        return self._run.seconds

    @property
    def error(self) -> str | None:
        """The class name of the exception that ended the run; None without one."""
        return self._run.error

    @property
    def steps(self) -> tuple[StepReport, ...]:
        """One record for each line of `explain`, in the same order."""
        return self._run.step_reports()

    @property
    def streams(self) -> tuple[StreamReport, ...]:
        """One record for each stream."""
        return self._run.stream_reports()

    @property
    def workers(self) -> tuple[WorkerReport, ...]:
        """One record for each worker, in the order of their starts."""
        return self._run.worker_reports()

    @property
    def bottlenecks(self) -> tuple[str, ...]:
        """Sentences about streams whose workers waited for the coordinator, with advice."""
        program = self._run.program
        return () if program is None else tuple(bottleneck.bottlenecks(self.observed(), program))

    @property
    def program(self) -> Program | None:
        """The program of the run; None before the first one."""
        return self._run.program

    @property
    def deaths(self) -> int:
        """Workers that died during the run."""
        return self._run.deaths

    def observed(self) -> bottleneck.ObservedRun:
        """Return the streams of the run for `plan.explain(report=...)`; raise `TaskError` before the first run."""
        return bottleneck.observed(self._run)

    def __str__(self) -> str:
        """Return the report as a page of text."""
        if self._run.program is None:
            return "Report of no run yet: give it to one, `plan.run(observers=[report])`"
        return "\n".join(sheet.lines(self._run, self._run.program, self.bottlenecks))
