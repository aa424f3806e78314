"""Runs as spans of OpenTelemetry."""

from __future__ import annotations

from pathlib import Path

import pytest
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import StatusCode

import daglite
from daglite.observe.otel import OpenTelemetry
from daglite.options import RuntimeName
from tests.unit.observe.recording import count_up, dies_once, fold, square, total_of

EXPORTER = InMemorySpanExporter()
PROVIDER = TracerProvider()
PROVIDER.add_span_processor(SimpleSpanProcessor(EXPORTER))
TRACER = PROVIDER.get_tracer("tests")


@pytest.fixture(autouse=True)
def _empty() -> None:
    EXPORTER.clear()


def spans(name: str) -> list[ReadableSpan]:
    return [span for span in EXPORTER.get_finished_spans() if span.name == name]


def test_a_run_is_a_span_with_its_stages_below(runtime: RuntimeName) -> None:
    pipeline = fold(total=1, x=count_up.iter(n=4).then(square).join(total_of))
    with TRACER.start_as_current_span("mine") as mine:
        assert pipeline.run(runtime=runtime, workers=1, observers=[OpenTelemetry(TRACER)]) == 15

    (run,) = spans("daglite.run")
    stages = spans("daglite.stage")
    assert run.parent is not None
    assert run.parent.span_id == mine.get_span_context().span_id
    assert {stage.parent.span_id for stage in stages if stage.parent is not None} == {run.context.span_id}
    told = [dict(stage.attributes or {}) for stage in sorted(stages, key=lambda stage: stage.start_time or 0)]
    assert [one["daglite.tasks"] for one in told] == ["count_up -> square -> total_of", "fold"]
    assert told[0]["daglite.items"] == 4
    assert not spans("daglite.batch")
    for span in (run, *stages):
        assert span.start_time is not None
        assert span.end_time is not None
        assert mine.start_time <= span.start_time <= span.end_time  # type: ignore[attr-defined]  # of the sdk's span


def test_batches_are_spans_where_asked(runtime: RuntimeName) -> None:
    count_up.iter(n=40).then(square).run(runtime=runtime, workers=1, observers=[OpenTelemetry(TRACER, batches=True)])

    batches = [dict(span.attributes or {}) for span in spans("daglite.batch")]
    assert sum(int(str(one["daglite.items"])) for one in batches) == 40


def test_errors_and_deaths_are_told(tmp_path: Path) -> None:
    def bad(x: int) -> int:
        raise ValueError("never")

    stream = count_up.iter(n=9).then(dies_once, at=5, mark=str(tmp_path / "died"))
    stream.run(workers=1, observers=[OpenTelemetry(TRACER)])
    (run,) = spans("daglite.run")
    assert run.status.status_code is StatusCode.UNSET
    assert "daglite.worker_ended" in [event.name for event in run.events]
    EXPORTER.clear()

    with pytest.raises(ValueError, match="never"):
        daglite.task(bad).map(x=[1]).run(workers=1, observers=[OpenTelemetry(TRACER)])
    (run,) = spans("daglite.run")
    assert run.status.status_code is StatusCode.ERROR
    assert run.status.description == "ValueError: never"
    assert [event.name for event in run.events] == ["exception"]
    assert len(spans("daglite.stage")) == 1
