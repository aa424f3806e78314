"""The parts of a stream as they are when somebody listens: each does what it does anyway, and tells of it.

Nobody else pays for them: without observers the plain parts run, which know nothing of events.

Gauges: how far a stream is, for whoever looks at it while it runs.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any, NamedTuple, cast

from daglite.events import BatchCompleted, Delivered, Lost, PartialsMerged, Pulled, Sent, StepTime, Waited
from daglite.runtime.dataflow.driver import StreamDriver
from daglite.runtime.dataflow.exchange import ExchangeSink
from daglite.runtime.dataflow.failure_policy import FailureCounter
from daglite.runtime.dataflow.pipeline import SegmentPipeline
from daglite.runtime.dataflow.reorder_buffer import BatchResult
from daglite.runtime.dataflow.sinks import ResultWriter
from daglite.runtime.dataflow.source import Source
from daglite.runtime.engines.base import BatchPolicy, CombiningEngine, Engine, ObservableEngine
from daglite.runtime.kernel.steps import BoundStep
from daglite.runtime.kernel.timers import StepTimer
from daglite.runtime.kernel.work import WorkItem, WorkResult
from daglite.runtime.local.adaptive import AdaptiveDriver
from daglite.runtime.local.executor import LocalDriver
from daglite.runtime.metrics.observers import RunObservers
from daglite.runtime.serialization.codec import ItemCodec


class InlineGauge:
    """The gauge of a stream that has no workers: an item is done before the next comes."""

    in_flight = 0
    peak = 1

    def __init__(self, source: Source, failure_counter: FailureCounter) -> None:
        self._source = source
        self._failure_counter = failure_counter

    @property
    def failed(self) -> int:
        return self._failure_counter.count

    @property
    def pulled(self) -> int:
        return self._source.count

    @property
    def done(self) -> int:
        return self._source.count


class WindowGauge:
    """The gauge of a stream through workers: how far the items of the source are, and what all legs hold."""

    def __init__(self, pipeline: SegmentPipeline, before: int, failure_counter: FailureCounter) -> None:
        """`before`: items that were done before the stream had workers."""
        self._failure_counter = failure_counter
        self._pipeline = pipeline
        self._window = pipeline.first.window
        self._before = before

    @property
    def failed(self) -> int:
        return self._failure_counter.count

    @property
    def pulled(self) -> int:
        return self._before + self._window.pulled

    @property
    def done(self) -> int:
        return self._before + self._window.released

    @property
    def in_flight(self) -> int:
        return self._pipeline.in_flight()

    @property
    def peak(self) -> int:
        return max(self._window.peak, self._pipeline.peak)


# The longest wait without a beat, in seconds.
_LONGEST = 0.25
# A shorter wait is told with the next longer one, or when they are so long together.
_SHORT, _SHORTS = 0.00005, 0.005
# A longer time between two turns is the consumer's.
_TURN = 0.001
# How often a stream without workers tells what it has done.
_EVERY = 0.01


class HeartbeatEngine:
    """An engine that never waits long, so that observers hear a beat. What is done for each batch goes straight on."""

    def __init__(self, inner: Engine, watch: RunObservers) -> None:
        self._inner = inner
        self._watch = watch
        self.credits, self.has_idle_worker = inner.credits, inner.has_idle_worker
        self.max_items, self.flush = inner.max_items, inner.flush
        if isinstance(inner, ObservableEngine):
            inner.listen(watch.worker)

    def __getattr__(self, name: str) -> Any:
        # The optional protocols of `engines.base`, as far as the engine has them.
        return getattr(self._inner, name)

    @property
    def workers(self) -> int:
        return self._inner.workers

    @property
    def batch_policy(self) -> BatchPolicy:
        return self._inner.batch_policy

    @property
    def codec(self) -> ItemCodec:
        return self._inner.codec

    def install(self, steps: Sequence[BoundStep]) -> int:
        return self._inner.install(steps)

    def uninstall(self, program: int) -> None:
        self._inner.uninstall(program)

    def submit(self, work_item: WorkItem) -> None:
        self._inner.submit(work_item)

    def poll(self, timeout: float | None) -> Sequence[WorkResult]:
        """Whoever waits copes with a wait that ends early: so does each `wake`."""
        work_results = self._inner.poll(_LONGEST if timeout is None else min(timeout, _LONGEST))
        self._watch.beat()
        return work_results

    def wake(self) -> None:
        self._inner.wake()

    def cancel(self) -> None:
        self._inner.cancel()

    def close(self) -> None:
        self._inner.close()


class _ObservedBatch(NamedTuple):
    """A chunk under way, when it was sent, and of a generator the attempt and its items so far."""

    work_item: WorkItem
    stage: int
    sent: float
    attempt: int = 0
    items: int = 0
    segment: int = 0


class ObservedEngine(HeartbeatEngine):
    """An engine that tells of each batch. `waits_on` is what the loop waits for when it waits."""

    def __init__(self, inner: Engine, watch: RunObservers) -> None:
        super().__init__(inner, watch)
        self.waits_on: tuple[int, bool] | None = None
        self._short = 0.0
        self._stages: dict[int, tuple[int, int]] = {}
        self._flights: dict[int, _ObservedBatch] = {}
        if isinstance(inner, CombiningEngine):
            self.combine = self._combine

    def install(self, steps: Sequence[BoundStep]) -> int:
        program = self._inner.install(steps)
        first = steps[0].number
        self._stages[program] = self._watch.stage_of(first), self._watch.segment_of(first)
        return program

    def submit(self, work_item: WorkItem) -> None:
        now, (stage, segment) = time.perf_counter(), self._stages[work_item.program]
        self._flights[work_item.seq] = _ObservedBatch(work_item, stage, now, segment=segment)
        nbytes = self.codec.measure(work_item.segments)
        self._inner.submit(work_item)
        self._watch.emit(Sent(now, stage, work_item.seq, work_item.first, work_item.items, nbytes, segment))

    def _combine(self, work_item: WorkItem) -> None:
        # It has no items: what comes of it is told, when it is there.
        now, (stage, segment) = time.perf_counter(), self._stages[work_item.program]
        self._flights[work_item.seq] = _ObservedBatch(work_item, stage, now, segment=segment)
        cast("CombiningEngine", self._inner).combine(work_item)

    def poll(self, timeout: float | None) -> Sequence[WorkResult]:
        began = time.perf_counter()
        work_results = super().poll(timeout)
        now = time.perf_counter()
        if self.waits_on is not None and timeout != 0.0:
            self._waited(now, now - began, *self.waits_on)
        for work_result in work_results:
            if work_result.seq in self._flights:
                self._tell(work_result, now)
        return work_results

    def _waited(self, now: float, seconds: float, stage: int, full: bool) -> None:
        if seconds <= _SHORT:
            self._short += seconds
            if self._short <= _SHORTS:
                return
            seconds = 0.0
        self._watch.emit(Waited(now, stage, "max_in_flight" if full else "workers", seconds, self._short))
        self._short = 0.0

    def cancel(self) -> None:
        super().cancel()
        self._flights.clear()

    def _tell(self, work_result: WorkResult, now: float) -> None:
        flight = self._flights[work_result.seq]
        if work_result.kind == "piece":
            so_far = flight.items if work_result.step == flight.attempt else 0
            self._flights[work_result.seq] = flight._replace(attempt=work_result.step, items=so_far + work_result.done)
            return
        del self._flights[work_result.seq]
        work_item, stage = flight.work_item, flight.stage
        if work_item.kind == "combine":
            self._tell_merged(flight, work_result, now)
            return
        if work_result.kind in ("lost", "overdue"):
            self._watch.emit(
                Lost(
                    now,
                    stage,
                    work_result.seq,
                    work_item.first,
                    work_item.items,
                    work_result.worker,
                    work_result.started,
                )
            )
            return
        done, reading = work_result.done, work_result.reading
        steps: tuple[StepTime, ...] = () if reading is None else reading.steps
        if work_item.kind != "batch":
            # A generator: it is not called for each item, so what it did is known from what came.
            done += flight.items if work_result.kind == "failed" or work_result.step == flight.attempt else 0
            steps = tuple([one._replace(seconds=work_result.seconds, begun=1, returned=done) for one in steps])
        self._watch.emit(
            BatchCompleted(
                now,
                stage,
                work_result.seq,
                work_item.first,
                work_item.items,
                done,
                self.codec.measure(work_result.segments),
                work_result.seconds,
                flight.sent,
                work_result.worker,
                work_result.kind == "failed",
                None if reading is None else reading.began,
                steps,
                flight.segment,
            )
        )

    def _tell_merged(self, flight: _ObservedBatch, work_result: WorkResult, now: float) -> None:
        if work_result.kind == "lost":
            # It is done again, perhaps with other parts.
            return
        parts, failed = flight.work_item.parts, work_result.kind == "failed"
        began = None if work_result.reading is None else work_result.reading.began
        home = work_result.held is None and not failed
        nbytes = sum([part.nbytes for part in parts])
        self._watch.emit(
            PartialsMerged(
                now,
                flight.stage,
                len(parts),
                nbytes,
                work_result.seconds,
                flight.sent,
                work_result.worker,
                home,
                failed,
                began,
            )
        )


class ObservedWriter(ResultWriter):
    """Tells of results that go on."""

    def watch(self, watch: RunObservers, stage: int, segment: int) -> None:
        """Must be called before the first result comes."""
        self._watch, self._stage, self._segment = watch, stage, segment

    def take(self, entry: BatchResult[list[object]]) -> int:
        began = time.perf_counter()
        count = super().take(entry)
        now = time.perf_counter()
        self._watch.emit(Delivered(now, self._stage, entry.first, entry.size, entry.nbytes, now - began, self._segment))
        return count


class ObservedExchangeSink(ExchangeSink):
    """Tells of results that go on from operations to the ending."""

    def watch(self, watch: RunObservers, stage: int, segment: int) -> None:
        """Must be called before the first result comes."""
        self._watch, self._stage, self._segment = watch, stage, segment

    def deliver(self, room: int) -> int:
        began, first = time.perf_counter(), self.count
        try:
            return super().deliver(room)
        finally:
            now, items = time.perf_counter(), self.count - first
            if items:
                self._watch.emit(Delivered(now, self._stage, first, items, 0, now - began, self._segment))


class ObservedStream(StreamDriver):
    """Tells of items that come from the source, and whether a full window is what it waits for."""

    def watch(self, watch: RunObservers, stage: int, timers: Sequence[StepTimer]) -> None:
        """Must be called before the first turn; `timers` are those of tasks in the coordinator, between workers."""
        self._watch, self._stage, self._timers = watch, stage, timers
        self._turned, self._turning = time.perf_counter(), False

    def advance(self) -> bool:
        self._tell_consumer()
        self._turning = True
        try:
            return super().advance()
        finally:
            self._turned, self._turning = time.perf_counter(), False

    def _tell_consumer(self) -> None:
        """Between two turns, and behind the last one, a consumer may have had items."""
        now = time.perf_counter()
        if now - self._turned > _TURN:
            self._watch.emit(Waited(now, self._stage, "consumer", now - self._turned))
        self._turned = now

    def close(self) -> None:
        self._tell_consumer()
        try:
            super().close()
        finally:
            timers, self._timers = self._timers, ()
            steps = tuple([timer.take() for timer in timers])
            if steps:
                # Their seconds lie here and there in the whole stream: no slice of time is theirs.
                self._watch.called(self._stage, 0, 0.0, steps)

    def _pull(self, want: int, cells: list[object]) -> None:
        source = self._source
        first, nbytes, began = source.count, source.nbytes, time.perf_counter()
        try:
            super()._pull(want, cells)
        finally:
            now, items = time.perf_counter(), source.count - first
            nbytes = source.nbytes - nbytes
            self._watch.emit(Pulled(now, self._stage, first, items, nbytes, now - began, self._first.window.in_flight))

    def _exchange(self, timeout: float | None) -> None:
        engine = self._worker_queues.primary
        if not isinstance(engine, ObservedEngine) or self._pulling or not self._turning:
            # The helper's wait: the coordinator is in the source, or with the consumer.
            super()._exchange(timeout)
            return
        engine.waits_on = self._stage, not self._source.finished and not self._first.window.room()
        try:
            super()._exchange(timeout)
        finally:
            engine.waits_on = None


class ObservedLocal(LocalDriver):
    """Tells from time to time what it has done."""

    def watch(self, watch: RunObservers, stage: int, timers: Sequence[StepTimer]) -> None:
        """Must be called before the first turn; `timers` are those of the source, the steps and the ending."""
        self._watch, self._stage, self._timers = watch, stage, timers
        self._seconds, self._told, self._last = 0.0, 0, time.perf_counter()

    def advance(self) -> bool:
        began, more = time.perf_counter(), False
        try:
            more = super().advance()
        finally:
            now = time.perf_counter()
            self._seconds += now - began
            if not more or now - self._last >= _EVERY:
                self._tell(now)
        self._watch.beat()
        return more

    def close(self) -> None:
        try:
            super().close()
        finally:
            # One that is pulled may end before its source does.
            if self.source.count > self._told:
                self._tell(time.perf_counter())

    def _tell(self, now: float) -> None:
        count = self.source.count
        steps = tuple([timer.take() for timer in self._timers])
        self._watch.called(self._stage, count - self._told, self._seconds, steps)
        self._told, self._seconds, self._last = count, 0.0, now


class ObservedAdaptive(AdaptiveDriver):
    """Tells of each slice that it runs itself; the flow that goes on with workers tells of the rest."""

    def watch(self, watch: RunObservers, stage: int, timers: Sequence[StepTimer]) -> None:
        """Must be called before the first turn; `timers` are those of the source, the steps and the ending."""
        self._watch, self._stage, self._timers = watch, stage, timers

    def advance(self) -> bool:
        if self._there is not None:
            return super().advance()
        began, count = time.perf_counter(), self._source.count
        try:
            return super().advance()
        finally:
            if self._there is None:
                steps = tuple([timer.take() for timer in self._timers])
                seconds = time.perf_counter() - began
                self._watch.called(self._stage, self._source.count - count, seconds, steps)
                self._watch.beat()
