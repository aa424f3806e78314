"""The watch of a run: tells its observers what happens, as much as they want. Only there when somebody listens."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import partial

from daglite.events import (
    CompletedLocally,
    Delivered,
    Event,
    Heartbeat,
    Observer,
    RunEnded,
    RunStarted,
    StageEnded,
    StageStarted,
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
from daglite.runtime.kernel.timers import StepTimer
from daglite.runtime.local.recorder import LocalRecorder
from daglite.runtime.metrics.gauges import StreamGauge

# The shortest time between two heartbeats, and between two reports of a stream without workers, in seconds.
_HEARTBEAT = 0.1
_LOCAL_INTERVAL = 0.01

_log = logging.getLogger("daglite")


class RunObservers:
    """Tells all observers of one run, one event after the other, whichever thread it comes from."""

    def __init__(self, program: Program, observers: Sequence[Observer], runtime: str) -> None:
        self._program = program
        self._observers = list(observers)
        self._runtime = runtime
        details = {getattr(observer, "detail", "batches") for observer in observers}
        self.steps = "steps" in details
        self.batches = self.steps or "batches" in details
        self._stages = {step.number: at for at, stage in enumerate(program.stages) for step in steps_of(stage)}
        self._segments = {
            step.number: number
            for stage in program.stages
            if isinstance(stage, StreamStage)
            for number, segment in enumerate(stage.segments)
            for step in segment.links
        }
        self._error: BaseException | None = None
        self._running = False
        self._beaten = 0.0
        # A stream that is collected as garbage may end its run from inside an observer.
        self._lock = threading.RLock()

    def emit(self, event: Event) -> None:
        """Tell all observers; one that raises is told nothing more."""
        with self._lock:
            for observer in tuple(self._observers):
                try:
                    observer.on_event(event)
                except Exception:
                    self._observers.remove(observer)
                    _log.exception(
                        "an observer raised at %s and is told nothing more: %r", type(event).__name__, observer
                    )

    @property
    def emit_batches(self) -> Emit | None:
        """The hook for events of batches, if an observer asks for them."""
        return self.emit if self.batches else None

    def batch_recorder(self, engine: Engine) -> BatchRecorder:
        """Return what emits the events of the batches of an engine."""
        return BatchRecorder(
            engine, self.emit_batches, self.heartbeat, lambda step: (self.stage_of(step), self.segment_of(step))
        )

    def local_recorder(
        self, stage: int, source: Source, timers: Sequence[StepTimer], *, interval: float = _LOCAL_INTERVAL
    ) -> LocalRecorder:
        """Return what reports a stream that runs in this process."""
        report = partial(self.completed_locally, stage)
        return LocalRecorder(source, timers, report, self.heartbeat, interval=interval)

    def stage_of(self, step: int) -> int:
        """The stage that a step belongs to."""
        return self._stages[step]

    def segment_of(self, step: int) -> int:
        """The segment of its stream that a step belongs to; 0 for all other steps."""
        return self._segments.get(step, 0)

    @contextmanager
    def running(self) -> Iterator[None]:
        """From the first turn of the run to its last; what it raises is remembered for its end."""
        self._running = True
        self.emit(RunStarted(time.perf_counter(), self._program, self._runtime))
        try:
            yield
        except GeneratorExit:
            # The consumer of a stream has had enough.
            raise
        except BaseException as error:
            self._error = error
            raise

    def ended(self) -> None:
        """Nothing of the run is left; told once."""
        if self._running:
            self._running = False
            self.emit(RunEnded(time.perf_counter(), self._error))
            # Its frames hold the run.
            self._error = None

    def stage_started(self, stage: int) -> None:
        self.emit(StageStarted(time.perf_counter(), stage))

    def stage_ended(self, stage: int) -> None:
        self.emit(StageEnded(time.perf_counter(), stage))

    def opened(
        self,
        stage: int,
        source: Source,
        failure_counter: FailureCounter,
        workers: int = 0,
        size: int = 1,
        pipeline: SegmentPipeline | None = None,
    ) -> None:
        """Report a stream that begins, with at most `size` items in flight."""
        gauge = StreamGauge(source, failure_counter, pipeline)
        self.emit(StreamOpened(time.perf_counter(), stage, workers, size, source.total, gauge))

    def delivery_hook(self, stage: int, segment: int) -> DeliveryHook | None:
        """Return what reports results that go on from a segment, if an observer asks for it."""

        def delivered(first: int, items: int, nbytes: int, began: float) -> None:
            now = time.perf_counter()
            self.emit(Delivered(now, stage, first, items, nbytes, now - began, segment))

        return delivered if self.batches else None

    def completed_locally(self, stage: int, items: int, seconds: float, steps: tuple[StepTime, ...]) -> None:
        """The coordinator ran tasks itself."""
        if self.batches:
            self.emit(CompletedLocally(time.perf_counter(), stage, items, seconds, steps))

    def worker(self, worker: int, exitcode: int | None, why: WorkerEndReason | None) -> None:
        """A worker came, or ended; see `executor.Hear`."""
        at = time.perf_counter()
        self.emit(WorkerStarted(at, worker) if why is None else WorkerEnded(at, worker, exitcode, why))

    def heartbeat(self) -> None:
        """A turn of the run is over."""
        now = time.perf_counter()
        if now - self._beaten >= _HEARTBEAT:
            self._beaten = now
            self.emit(Heartbeat(now))
