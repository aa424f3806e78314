"""A run as spans of OpenTelemetry: one for the run, below it one for each stage. Needs the extra `daglite[otel]`."""

from __future__ import annotations

import time

from opentelemetry import trace
from opentelemetry.trace import Span, Status, StatusCode, Tracer
from opentelemetry.util.types import AttributeValue

import daglite.events as events
from daglite.observe.amounts import stage_text
from daglite.program import Stage


class OpenTelemetry:
    """An observer that makes spans named `daglite.run`, `daglite.stage` and, with `batches=True`, `daglite.batch`.

    The span of the run is a child of the span that is current where the run begins. Deaths of workers and lost batches
    are events of the run's span, which also records the error that ends the run.
    """

    def __init__(self, tracer: Tracer | None = None, *, batches: bool = False) -> None:
        self.detail: events.Detail = "steps" if batches else "stages"
        self._tracer = trace.get_tracer("daglite") if tracer is None else tracer
        self._planned: tuple[Stage, ...] = ()
        # The time of the system at zero of `perf_counter`, in nanoseconds.
        self._offset = 0
        self._run: Span | None = None
        self._stages: dict[int, Span] = {}
        self._gauges: dict[int, events.Gauge] = {}

    def on_event(self, event: events.Event, /) -> None:
        """Begin or end a span, or add to one."""
        if isinstance(event, events.RunStarted):
            self._planned = event.program.stages
            self._offset = time.time_ns() - time.perf_counter_ns()
            self._stages, self._gauges = {}, {}
            facts: dict[str, AttributeValue] = {
                "daglite.result": event.program.title,
                "daglite.runtime": event.runtime,
                "daglite.stages": len(self._planned),
            }
            self._run = self._tracer.start_span("daglite.run", start_time=self._time(event.at), attributes=facts)
        elif self._run is not None:
            self._update(event, self._run)

    def _update(self, event: events.Event, run: Span) -> None:
        at = self._time(event.at)
        facts: dict[str, AttributeValue]
        match event:
            case events.StageStarted():
                facts = {"daglite.stage": event.stage, "daglite.tasks": stage_text(self._planned[event.stage])}
                self._stages[event.stage] = self._child(run, "daglite.stage", at, facts)
            case events.StreamOpened():
                self._gauges[event.stage] = event.gauge
                facts = {"daglite.workers": event.workers, "daglite.max_in_flight": event.max_in_flight}
                self._stages[event.stage].set_attributes(facts)
            case events.StageEnded():
                self._end_stage(event.stage, at)
            case events.BatchCompleted() if event.began is not None:
                self._batch(event.stage, event.began, event.seconds, event.done, event.worker)
            case events.CompletedLocally() if self.detail == "steps" and event.seconds:
                self._batch(event.stage, event.at - event.seconds, event.seconds, event.items, None)
            case events.WorkerEnded():
                facts = {
                    "daglite.worker": event.worker,
                    "daglite.why": event.why,
                    "daglite.exitcode": str(event.exitcode),
                }
                run.add_event("daglite.worker_ended", facts, at)
            case events.Lost():
                run.add_event("daglite.lost", {"daglite.first": event.first, "daglite.items": event.items}, at)
            case events.RunEnded():
                for stage in list(self._stages):
                    self._end_stage(stage, at)
                if event.error is not None:
                    run.record_exception(event.error, timestamp=at)
                    run.set_status(Status(StatusCode.ERROR, f"{type(event.error).__name__}: {event.error}"))
                run.end(at)
                self._run = None
            case _:
                pass

    def _end_stage(self, stage: int, at: int) -> None:
        span, gauge = self._stages.pop(stage), self._gauges.pop(stage, None)
        if gauge is not None:
            span.set_attributes({"daglite.items": gauge.done, "daglite.peak": gauge.peak})
        span.end(at)

    def _batch(self, stage: int, began: float, seconds: float, items: int, worker: int | None) -> None:
        facts: dict[str, AttributeValue] = {
            "daglite.items": items,
            "daglite.worker": "coordinator" if worker is None else worker,
        }
        span = self._child(self._stages[stage], "daglite.batch", self._time(began), facts)
        span.end(self._time(began + seconds))

    def _child(self, parent: Span, name: str, at: int, facts: dict[str, AttributeValue]) -> Span:
        context = trace.set_span_in_context(parent)
        return self._tracer.start_span(name, context, attributes=facts, start_time=at)

    def _time(self, at: float) -> int:
        return int(at * 1e9) + self._offset
