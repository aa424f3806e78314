"""Events of the batches that go to one engine and come back. Used only in runs that have observers.

worker queue --submit--> engine, recorder         Sent
worker queue <--poll---- recorder <-- engine      Waited, then BatchCompleted, PartialsMerged or Lost
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Literal, TypeAlias

from daglite.lazy import lazy
from daglite.runtime.engines.base import Engine
from daglite.runtime.kernel.work import WorkItem, WorkResult

if TYPE_CHECKING:
    import daglite.events as events
else:
    events = lazy("daglite.events")

Emit: TypeAlias = "Callable[[events.Event], None]"
# The number of the stage that waits, and its reason.
WaitReason: TypeAlias = tuple[int, Literal["max_in_flight", "workers"]]

# The longest wait between two heartbeats, in seconds.
_LONGEST_WAIT = 0.25
# Waits of at most `_SHORT_WAIT` seconds are reported with the next longer one, or once they add up to `_SHORT_WAITS`.
_SHORT_WAIT, _SHORT_WAITS = 0.00005, 0.005


class _SentBatch:
    """A work item in flight. Of a generator, also the attempt and how many of its items have come."""

    __slots__ = ("attempt", "items", "segment", "sent", "stage", "work_item")

    def __init__(self, work_item: WorkItem, stage: int, segment: int, sent: float) -> None:
        self.work_item = work_item
        self.stage = stage
        self.segment = segment
        self.sent = sent
        self.attempt = 0
        self.items = 0


class BatchRecorder:
    """Emits an event for each batch that a worker queue submits to an engine, and polls the engine on its behalf."""

    def __init__(
        self,
        engine: Engine,
        emit: Emit | None,
        heartbeat: Callable[[], None],
        locate: Callable[[int], tuple[int, int]],
    ) -> None:
        """Without `emit` only `heartbeat` is called. `locate` returns the stage and the segment of a step number."""
        self._engine = engine
        self._emit = emit
        self._heartbeat = heartbeat
        self._locate = locate
        self._short_waits = 0.0
        # Stage and segment of each program.
        self._programs: dict[int, tuple[int, int]] = {}
        self._sent: dict[int, _SentBatch] = {}

    def install(self, program: int, step: int) -> None:
        """Remember that a program begins with this step."""
        self._programs[program] = self._locate(step)

    def cancel(self) -> None:
        """Forget the batches in flight."""
        self._sent.clear()

    def submitting(self, work_item: WorkItem) -> None:
        """Record a work item that is about to be submitted."""
        if self._emit is None:
            return
        now, (stage, segment) = time.perf_counter(), self._programs[work_item.program]
        self._sent[work_item.seq] = _SentBatch(work_item, stage, segment, now)
        if work_item.kind != "combine":
            # One that combines partials has no items: only its result is an event.
            nbytes = self._engine.codec.payload_size(work_item.payload)
            self._emit(
                events.Sent(now, stage, work_item.seq, work_item.first_index, work_item.item_count, nbytes, segment)
            )

    def poll(self, timeout: float | None, reason: WaitReason | None = None) -> Sequence[WorkResult]:
        """Return the results of the engine. A wait may end early, so that heartbeats go on.

        `reason` is why the coordinator waits, where the wait is to be reported.
        """
        began = time.perf_counter()
        work_results = self._engine.poll(_LONGEST_WAIT if timeout is None else min(timeout, _LONGEST_WAIT))
        self._heartbeat()
        if self._emit is None:
            return work_results
        now = time.perf_counter()
        if reason is not None and timeout != 0.0:
            self._waited(self._emit, now, now - began, reason)
        for work_result in work_results:
            if work_result.seq in self._sent:
                self._completed(self._emit, now, self._sent[work_result.seq], work_result)
        return work_results

    def _waited(self, emit: Emit, now: float, seconds: float, reason: WaitReason) -> None:
        if seconds <= _SHORT_WAIT:
            self._short_waits += seconds
            if self._short_waits <= _SHORT_WAITS:
                return
            seconds = 0.0
        emit(events.Waited(now, *reason, seconds, self._short_waits))
        self._short_waits = 0.0

    def _completed(self, emit: Emit, now: float, batch: _SentBatch, work_result: WorkResult) -> None:
        work_item = batch.work_item
        if work_result.kind == "chunk":
            if work_result.step != batch.attempt:
                batch.attempt, batch.items = work_result.step, 0
            batch.items += work_result.completed
            return
        del self._sent[work_result.seq]
        if work_item.kind == "combine":
            # A lost one is submitted again, perhaps with other partials.
            if work_result.kind != "lost":
                emit(_partials_merged(now, batch, work_result))
            return
        if work_result.kind in ("lost", "overdue"):
            worker, started = work_result.worker, work_result.started
            emit(
                events.Lost(
                    now, batch.stage, work_result.seq, work_item.first_index, work_item.item_count, worker, started
                )
            )
            return
        failed, done, reading = work_result.kind == "failed", work_result.completed, work_result.reading
        steps: tuple[events.StepTime, ...] = () if reading is None else reading.steps
        if work_item.kind != "batch":
            # A generator is called once for all its items: its step is credited with the items that came.
            done += batch.items if failed or work_result.step == batch.attempt else 0
            steps = tuple([step._replace(seconds=work_result.seconds, begun=1, returned=done) for step in steps])
        emit(
            events.BatchCompleted(
                now,
                batch.stage,
                work_result.seq,
                work_item.first_index,
                work_item.item_count,
                done,
                self._engine.codec.payload_size(work_result.payload),
                work_result.seconds,
                batch.sent,
                work_result.worker,
                failed,
                None if reading is None else reading.began,
                steps,
                batch.segment,
            )
        )


def _partials_merged(now: float, batch: _SentBatch, work_result: WorkResult) -> events.PartialsMerged:
    partials, failed = batch.work_item.partials, work_result.kind == "failed"
    return events.PartialsMerged(
        now,
        batch.stage,
        len(partials),
        sum([partial.nbytes for partial in partials]),
        work_result.seconds,
        batch.sent,
        work_result.worker,
        work_result.partial is None and not failed,
        failed,
        None if work_result.reading is None else work_result.reading.began,
    )
