"""The events of a run, as frozen records in the order in which things happen.

    RunStarted
      StageStarted              a stage: single calls, or a stream with its source, its tasks and its sink
        StreamOpened            bounds and workers of the stream, and a gauge that can be read while it runs
          Pulled                items came from the source                                     batches
          Sent, BatchCompleted  a batch went to a worker; its results came back                batches
          Lost                  a worker ended while it held a batch                           batches
          PartialsMerged        a worker of a cluster merged partial results of a fold         batches
          Delivered             results were folded, collected or handed to the consumer       batches
          Waited                the coordinator had to wait, and for what                      batches
        CompletedLocally        the coordinator ran tasks itself                               batches
      StageEnded
    RunEnded
    WorkerStarted, WorkerEnded  at any time
    Heartbeat                   some times a second

Events marked "batches" come once for each batch, never for each item, and only to observers whose `detail` is not
"stages"; they are named tuples, the cheapest records. All times are in seconds. `at` is the time of the event on the
clock of `time.perf_counter`; an event that took time is reported at its end.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, NamedTuple, Protocol, TypeAlias

from daglite.lazy import renamed
from daglite.program import Program
from daglite.records import record

__all__ = [
    "BatchCompleted",
    "CompletedLocally",
    "Delivered",
    "Detail",
    "Event",
    "Gauge",
    "Heartbeat",
    "Lost",
    "Observer",
    "PartialsMerged",
    "Progress",
    "Pulled",
    "RunEnded",
    "RunStarted",
    "Sent",
    "StageEnded",
    "StageStarted",
    "StepTime",
    "StreamOpened",
    "Waited",
    "WorkerEnded",
    "WorkerStarted",
]

Detail = Literal["stages", "batches", "steps"]


class Observer(Protocol):
    """An object that receives the events of a run: anything with this method, in `plan.run(observers=[...])`.

    One thread at a time calls it, not always the same one, and the run waits for it. An exception that it raises is
    logged, and the observer receives nothing more. The optional attribute `detail` selects the events: "stages" (no
    cost), "batches" (the default; some microseconds for each batch) or "steps" (also the time of each step, at a
    fraction of a microsecond for each item).

    >>> from daglite import events, task
    >>> class PrintStages:
    ...     detail = "stages"
    ...     def on_event(self, event: events.Event, /) -> None:
    ...         if isinstance(event, events.StageStarted):
    ...             print("stage", event.stage)
    >>> @task
    ... def double(x: int) -> int:
    ...     return x * 2
    >>> double.map(x=[1, 2]).run(runtime="inline", observers=[PrintStages()])
    stage 0
    [2, 4]
    """

    def on_event(self, event: Event, /) -> None:
        """Receive one event."""


class Gauge(Protocol):
    """Counts of one stream, readable at any time and from any thread."""

    @property
    def pulled(self) -> int:
        """Items that came from the source."""
        ...

    @property
    def done(self) -> int:
        """Items that were folded, collected or handed to the consumer."""
        ...

    @property
    def in_flight(self) -> int:
        """Items between source and sink."""
        ...

    @property
    def peak(self) -> int:
        """The largest number of items that were in flight at one time."""
        ...

    @property
    def failed(self) -> int:
        """Items of the run that failed without ending it."""
        ...


class StepTime(NamedTuple):
    """The share of one step in a batch.

    `seconds` in its calls; calls `begun` and `returned`; attempts `repeated`; items that `failed` at their last
    attempt without ending the run.
    """

    step: int
    seconds: float
    begun: int
    returned: int
    repeated: int
    failed: int = 0


@record(eq=True)
class Progress:
    """The state of a run, as given to the function of the option `progress`.

    `task` is the last task of the stage that runs; `done` of its `total` items are done (None: unknown), `in_flight`
    of at most `max_in_flight` are in flight. `rate` is in items per second, over the last seconds; `left` estimates
    the remaining seconds from it. `deaths` counts workers that died, `failed` items that failed without ending the
    run. The last call of a run has `ended`.
    """

    stage: int
    stages: int
    task: str
    done: int
    total: int | None
    in_flight: int
    max_in_flight: int
    seconds: float
    rate: float
    left: float | None
    deaths: int
    ended: bool
    failed: int = 0


@record
class RunStarted:
    """A run begins; `runtime` is its name ("processes") or the `repr` of the given object."""

    at: float
    program: Program
    runtime: str


@record
class RunEnded:
    """The run is over and all its workers have ended; `error` is the exception that it raises."""

    at: float
    error: BaseException | None


@record
class StageStarted:
    """A stage begins; `stage` counts the stages of the program from 0."""

    at: float
    stage: int


@record
class StageEnded:
    """A stage is complete. A stage that fails has no such event: the run ends."""

    at: float
    stage: int


@record
class StreamOpened:
    """A stream begins, through `workers` workers (0: in the coordinator), with at most `max_in_flight` items in flight.

    `length` is the number of items to come, where it is known.
    """

    at: float
    stage: int
    workers: int
    max_in_flight: int
    length: int | None
    gauge: Gauge


class Pulled(NamedTuple):
    """The source gave `items` items, the first with index `first`, in `seconds`, saves and serialization included.

    `nbytes` counts items that are not small values. `in_flight` is the number of items in flight afterwards.
    """

    at: float
    stage: int
    first: int
    items: int
    nbytes: int
    seconds: float
    in_flight: int


class Sent(NamedTuple):
    """A batch, a single call or a generator was given to the engine; `batch` is its number.

    `segment` is the part of the stream that it belongs to.
    """

    at: float
    stage: int
    batch: int
    first: int
    items: int
    nbytes: int
    segment: int = 0


class BatchCompleted(NamedTuple):
    """A batch came back after `seconds` of work, with `done` of its items completed.

    `sent` is the time at which the engine got it; `failed` tells whether one of its items raised. With detail "steps",
    `began` is the time at which its worker began and `steps` has the share of each step; otherwise None and ().
    """

    at: float
    stage: int
    batch: int
    first: int
    items: int
    done: int
    nbytes: int
    seconds: float
    sent: float
    worker: int | None
    failed: bool
    began: float | None
    steps: tuple[StepTime, ...]
    segment: int = 0


class PartialsMerged(NamedTuple):
    """A worker of a cluster merged `parts` partial results of a fold, of `nbytes` in all, in `seconds`.

    Large partial results stay with the workers of a cluster until they are merged; `returned` tells whether the merged
    one came to the coordinator. `sent`, `began` and `failed` as in `BatchCompleted`. A merge whose worker died is
    reported when it has been repeated.
    """

    at: float
    stage: int
    parts: int
    nbytes: int
    seconds: float
    sent: float
    worker: int | None
    returned: bool
    failed: bool
    began: float | None


class Delivered(NamedTuple):
    """Results were saved and folded, collected or handed to the consumer, in `seconds`.

    Results of a `segment` that is not the last one went on to the next segment.
    """

    at: float
    stage: int
    first: int
    items: int
    nbytes: int
    seconds: float
    segment: int = 0


class CompletedLocally(NamedTuple):
    """The coordinator ran tasks itself: a single call, or items of a stream without workers, from source to sink.

    `seconds` may be the sum of several intervals, the last of which ends now. Of coordinator tasks between those of
    workers only `steps` is reported, at the end of the stream, with 0 `items` and `seconds`.
    """

    at: float
    stage: int
    items: int
    seconds: float
    steps: tuple[StepTime, ...]


class Waited(NamedTuple):
    """The coordinator was idle for `seconds`.

    `on` is the reason: the limit of items in flight was reached, all workers had enough work, or the consumer of a
    stream was busy with an item. `short` are the seconds of earlier waits that were too short for an event each.
    """

    at: float
    stage: int
    on: Literal["max_in_flight", "workers", "consumer"]
    seconds: float
    short: float = 0.0


@record
class Lost:
    """A batch has no result because its worker died or was killed; items that may still run are sent again."""

    at: float
    stage: int
    batch: int
    first: int
    items: int
    worker: int | None
    started: bool


@record
class Heartbeat:
    """The run goes on without another event. At most ten a second; none while the caller holds an item of `stream`."""

    at: float


@record
class WorkerStarted:
    """A worker started; `worker` is its process id, or the system's id of its thread."""

    at: float
    worker: int


@record
class WorkerEnded:
    """A worker ended before the run: it died, was killed over a time limit, or reached `max_items_per_worker`."""

    at: float
    worker: int
    exitcode: int | None
    why: Literal["died", "overdue", "renewed"]


Event: TypeAlias = (
    RunStarted
    | RunEnded
    | StageStarted
    | StageEnded
    | StreamOpened
    | Pulled
    | Sent
    | BatchCompleted
    | Delivered
    | PartialsMerged
    | CompletedLocally
    | Waited
    | Lost
    | Heartbeat
    | WorkerStarted
    | WorkerEnded
)

if not TYPE_CHECKING:
    __getattr__ = renamed(
        __name__,
        {
            "Answered": "BatchCompleted",
            "Beat": "Heartbeat",
            "Called": "CompletedLocally",
            "Merged": "PartialsMerged",
        },
    )
