"""The gauge of a stream: counts that observers may read at any time while it runs."""

from __future__ import annotations

from daglite.runtime.dataflow.failure_policy import FailureCounter
from daglite.runtime.dataflow.pipeline import SegmentPipeline
from daglite.runtime.dataflow.source import Source


class StreamGauge:
    """Counts of a stream. Without workers each item is done before the next is pulled."""

    def __init__(self, source: Source, failure_counter: FailureCounter, pipeline: SegmentPipeline | None) -> None:
        self._source = source
        self._failure_counter = failure_counter
        self._pipeline = pipeline
        # Items that were done before the stream had workers.
        self._before = source.count

    @property
    def failed(self) -> int:
        return self._failure_counter.count

    @property
    def pulled(self) -> int:
        return self._source.count

    @property
    def done(self) -> int:
        return (
            self._source.count if self._pipeline is None else self._before + self._pipeline.first.flow_control.released
        )

    @property
    def in_flight(self) -> int:
        return 0 if self._pipeline is None else self._pipeline.in_flight()

    @property
    def peak(self) -> int:
        return 1 if self._pipeline is None else max(self._pipeline.first.flow_control.peak, self._pipeline.peak)
