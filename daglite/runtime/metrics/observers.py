"""The observers of a run: they receive its events, in the detail that they ask for. Loaded only if there are any."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from daglite.events import (
    CompletedLocally,
    Delivered,
    Event,
    Heartbeat,
    Observer,
    RunEnded,
    RunStarted,
    StepTime,
    StreamOpened,
    WorkerEnded,
    WorkerStarted,
)
from daglite.program import Program, StreamStage, steps_of
from daglite.runtime.dataflow.failure_policy import FailureCounter
from daglite.runtime.dataflow.pipeline import SegmentPipeline
from daglite.runtime.dataflow.segment import DeliveryHook
from daglite.runtime.dataflow.source import Source
from daglite.runtime.engines.base import Engine, WorkerEndReason
from daglite.runtime.engines.batch_recorder import BatchRecorder, Emit

# The shortest time between two heartbeats, in seconds.
_HEARTBEAT = 0.1

_log = logging.getLogger("daglite")


class RunObservers:
    """Passes the events of one run to all observers, one after the other, from whichever thread they come."""

    def __init__(self, program: Program, observers: Sequence[Observer], runtime: str) -> None:
        self._program = program
        self._observers = list(observers)
        self._runtime = runtime
        details = {getattr(observer, "detail", "batches") for observer in observers}
        self.steps = "steps" in details
        self.batches = self.steps or "batches" in details
        self._stages = {step.number: number for number, stage in enumerate(program.stages) for step in steps_of(stage)}
        self._segments = {
            step.number: number
            for stage in program.stages
            if isinstance(stage, StreamStage)
            for number, segment in enumerate(stage.segments)
            for step in segment.links
        }
        self._error: BaseException | None = None
        self._running = False
        self._last_heartbeat = 0.0
        # A stream that is collected as garbage may end its run from inside an observer.
        self._lock = threading.RLock()

    def emit(self, event: Event) -> None:
        """Pass an event to all observers; one that raises receives no further events."""
        with self._lock:
            for observer in tuple(self._observers):
                try:
                    observer.on_event(event)
                except Exception:
                    self._observers.remove(observer)
                    _log.exception(
                        "an observer raised at %s and receives no further events: %r", type(event).__name__, observer
                    )

    @property
    def emit_batches(self) -> Emit | None:
        """The hook for the events of batches, if an observer asks for them."""
        return self.emit if self.batches else None

    def batch_recorder(self, engine: Engine) -> BatchRecorder:
        """Return a recorder for the batches of an engine."""
        return BatchRecorder(engine, self.emit_batches, self.heartbeat, self._locate)

    def stage_of(self, step: int) -> int:
        """Return the number of the stage that contains a step."""
        return self._stages[step]

    def _locate(self, step: int) -> tuple[int, int]:
        """Return the numbers of the stage and of the segment that contain a step; 0 if it is in no segment."""
        return self._stages[step], self._segments.get(step, 0)

    @contextmanager
    def running(self) -> Iterator[None]:
        """Report the start of the run on entry, and keep an error that is raised inside for its end."""
        self._running = True
        self.emit(RunStarted(time.perf_counter(), self._program, self._runtime))
        try:
            yield
        except GeneratorExit:
            # The consumer of a stream needs no more items.
            raise
        except BaseException as error:
            self._error = error
            raise

    def ended(self) -> None:
        """Report the end of the run, once."""
        if self._running:
            self._running = False
            self.emit(RunEnded(time.perf_counter(), self._error))
            # Its traceback refers to the objects of the run.
            self._error = None

    def opened(
        self,
        stage: int,
        source: Source,
        failure_counter: FailureCounter,
        workers: int = 0,
        size: int = 1,
        pipeline: SegmentPipeline | None = None,
    ) -> None:
        """Report the start of a stream, with at most `size` items in flight."""
        gauge = StreamGauge(source, failure_counter, pipeline)
        self.emit(StreamOpened(time.perf_counter(), stage, workers, size, source.total, gauge))

    def delivery_hook(self, stage: int, segment: int) -> DeliveryHook | None:
        """Return a hook that reports the results delivered by a segment, if an observer asks for batches."""

        def delivered(first: int, items: int, nbytes: int, began: float) -> None:
            now = time.perf_counter()
            self.emit(Delivered(now, stage, first, items, nbytes, now - began, segment))

        return delivered if self.batches else None

    def completed_locally(self, stage: int, items: int, seconds: float, steps: tuple[StepTime, ...]) -> None:
        """Report tasks that ran in the coordinator."""
        if self.batches:
            self.emit(CompletedLocally(time.perf_counter(), stage, items, seconds, steps))

    def worker(self, worker: int, exitcode: int | None, why: WorkerEndReason | None) -> None:
        """Report the start or the end of a worker; see `WorkerListener`."""
        at = time.perf_counter()
        self.emit(WorkerStarted(at, worker) if why is None else WorkerEnded(at, worker, exitcode, why))

    def heartbeat(self) -> None:
        """Report that the run goes on, unless it was reported within the last 100 ms."""
        now = time.perf_counter()
        if now - self._last_heartbeat >= _HEARTBEAT:
            self._last_heartbeat = now
            self.emit(Heartbeat(now))


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
