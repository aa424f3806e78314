"""A run as spans of OpenTelemetry: one for the run, below it one for each stage. Needs the extra `daglite[otel]`."""

from __future__ import annotations

import time

from opentelemetry import trace
from opentelemetry.trace import Span, Status, StatusCode, Tracer
from opentelemetry.util.types import AttributeValue

from daglite.events import (
    BatchCompleted,
    CompletedLocally,
    Detail,
    Event,
    Lost,
    RunEnded,
    RunStarted,
    StageEnded,
    StageStarted,
    StreamOpened,
    WorkerEnded,
)
from daglite.program import Program, steps_of


class OpenTelemetry:
    """Spans named `daglite.run`, `daglite.stage` and, with `batches=True`, `daglite.batch`.

    The span of the run is a child of the span that is current where the run begins. What goes wrong with workers is
    an event of the run's span; the error that ends the run is recorded there.
    """

    def __init__(self, tracer: Tracer | None = None, *, batches: bool = False) -> None:
        self.detail: Detail = "steps" if batches else "stages"
        self._tracer = trace.get_tracer("daglite") if tracer is None else tracer
        self._program: Program | None = None
        self._offset = 0
        self._run: Span | None = None
        self._stages: dict[int, Span] = {}
        self._streams: dict[int, StreamOpened] = {}

    def on_event(self, event: Event, /) -> None:
        run = self._run
        if isinstance(event, RunStarted):
            self._begin(event)
        elif run is not None:
            self._go_on(event, run)

    def _begin(self, event: RunStarted) -> None:
        self._program = event.program
        self._offset = time.time_ns() - time.perf_counter_ns()
        self._stages, self._streams = {}, {}
        facts: dict[str, AttributeValue] = {
            "daglite.result": event.program.title,
            "daglite.runtime": event.runtime,
            "daglite.stages": len(event.program.stages),
        }
        self._run = self._tracer.start_span("daglite.run", start_time=self._when(event.at), attributes=facts)

    def _go_on(self, event: Event, run: Span) -> None:
        when = self._when(event.at)
        facts: dict[str, AttributeValue]
        match event:
            case StageStarted():
                facts = {"daglite.stage": event.stage, "daglite.tasks": self._tasks(event.stage)}
                below = trace.set_span_in_context(run)
                self._stages[event.stage] = self._tracer.start_span(
                    "daglite.stage", below, attributes=facts, start_time=when
                )
            case StreamOpened():
                self._streams[event.stage] = event
                facts = {"daglite.workers": event.workers, "daglite.max_in_flight": event.max_in_flight}
                self._stages[event.stage].set_attributes(facts)
            case StageEnded():
                self._end_stage(event.stage, when)
            case BatchCompleted() if event.began is not None:
                self._batch(event, event.began, event.worker, event.done)
            case CompletedLocally() if self.detail == "steps" and event.seconds:
                self._batch(event, event.at - event.seconds, None, event.items)
            case WorkerEnded():
                facts = {
                    "daglite.worker": event.worker,
                    "daglite.why": event.why,
                    "daglite.exitcode": str(event.exitcode),
                }
                run.add_event("daglite.worker_ended", facts, when)
            case Lost():
                run.add_event("daglite.lost", {"daglite.first": event.first, "daglite.items": event.items}, when)
            case RunEnded():
                for stage in list(self._stages):
                    self._end_stage(stage, when)
                if event.error is not None:
                    run.record_exception(event.error, timestamp=when)
                    run.set_status(Status(StatusCode.ERROR, f"{type(event.error).__name__}: {event.error}"))
                run.end(when)
                self._run = None
            case _:
                pass

    def _end_stage(self, stage: int, when: int) -> None:
        span, opened = self._stages.pop(stage), self._streams.pop(stage, None)
        if opened is not None:
            span.set_attributes({"daglite.items": opened.gauge.done, "daglite.peak": opened.gauge.peak})
        span.end(when)

    def _batch(self, event: BatchCompleted | CompletedLocally, began: float, worker: int | None, items: int) -> None:
        facts: dict[str, AttributeValue] = {
            "daglite.items": items,
            "daglite.worker": worker if worker is not None else "coordinator",
        }
        below = trace.set_span_in_context(self._stages[event.stage])
        span = self._tracer.start_span("daglite.batch", below, attributes=facts, start_time=self._when(began))
        span.end(self._when(began + event.seconds))

    def _when(self, at: float) -> int:
        return int(at * 1e9) + self._offset

    def _tasks(self, stage: int) -> str:
        assert self._program is not None
        return " -> ".join(step.function.name for step in steps_of(self._program.stages[stage]))
