"""Batches in flight, results that arrive in chunks, and the objects that the parts of a segment share.

A batch is kept until its result is here, as workers die.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from daglite.records import record
from daglite.runtime.dataflow.failure_policy import FailurePolicy
from daglite.runtime.dataflow.flow_control import FlowControl
from daglite.runtime.dataflow.reorder_buffer import ReorderBuffer
from daglite.runtime.dataflow.source import Source
from daglite.runtime.engines.worker_queues import WorkerQueue
from daglite.runtime.kernel.bound_step import BoundStep
from daglite.runtime.kernel.chunked_results import CHUNK_BYTES
from daglite.runtime.kernel.retry import FailedAttempts

# Open results for each worker: each may hold what a user's generator holds, such as a file. And chunks of one result
# that may wait to be passed on.
_MAX_PER_WORKER = 2
_MAX_CHUNKS = 4


@record
class SegmentParts:
    """The objects with which one segment works: where its items come from, who runs its `steps`, and where results go.

    `number` is the position of the segment in the pipeline, `retries` how often an item starts again after its
    worker died.
    """

    source: Source
    worker_queue: WorkerQueue
    steps: Sequence[BoundStep]
    flow_control: FlowControl
    reorder_buffer: ReorderBuffer[list[object]]
    failure_policy: FailurePolicy
    retries: int
    number: int


@dataclass(eq=False, repr=False, slots=True)
class InFlightBatch:
    """Serialized items of consecutive positions from `first` on. `attempt` counts their starts from 1.

    `known` counts what has arrived of a result in chunks, see `kernel.chunked_results`. `failed_attempts` are those at
    the only item of the batch that ended with their worker.
    """

    first: int
    items: Sequence[object]
    nbytes: int
    attempt: int = 1
    known: int = 0
    failed_attempts: tuple[FailedAttempts, ...] = ()


@dataclass(eq=False, repr=False, slots=True)
class OpenResult:
    """A result that arrives in chunks: its item, the worker that has begun it, and how many chunks wait here.

    `requested`: the worker was asked for the next chunk.
    """

    batch: InFlightBatch
    worker: int | None
    waiting: int = 0
    requested: bool = False

    def add_chunk(self, count: int) -> None:
        """Note that a chunk of `count` items has arrived."""
        self.batch.known += count
        self.waiting += 1
        self.requested = False


class OpenResults:
    """The open results of a segment, by the positions of their items."""

    def __init__(self, workers: int, flow_control: FlowControl) -> None:
        self.begun: dict[int, OpenResult] = {}
        self._most = _MAX_PER_WORKER * workers
        self._flow_control = flow_control

    def may_begin(self, place: int) -> bool:
        """Return whether one more may begin: the first always, others unless too many are open."""
        return len(self.begun) < self._most or place <= min(self.begun)

    def due(self) -> Iterator[OpenResult]:
        """Yield the results of which the next chunk may be requested."""
        return (one for one in self.begun.values() if not one.requested and self._has_room(one))

    def passed_on(self, place: int) -> None:
        """Note that a chunk of the result of this item was passed on."""
        if place in self.begun:
            self.begun[place].waiting -= 1

    def _has_room(self, one: OpenResult) -> bool:
        return one.waiting == 0 or (one.waiting < _MAX_CHUNKS and self._flow_control.left() > CHUNK_BYTES)
