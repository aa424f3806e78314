"""What observers are told of a run: frozen records, in the order in which things happen.

    RunStarted
      StageStarted            a stage: single calls, or a stream with its source, its tasks and its ending
        StreamOpened          its window, its workers, and a gauge that can be read while it runs
          Pulled              items came from the source                        batches
          Sent    Answered    a batch went to a worker, and came back           batches
          Lost                a worker ended with a batch of its own                batches
          Merged              a worker of a cluster put parts of a fold together    batches
          Delivered           results were folded, collected or handed over     batches
          Waited              the coordinator had to wait, and for what         batches
        Called                the coordinator ran tasks itself                  batches
      StageEnded
    RunEnded
    WorkerStarted, WorkerEnded          at any time
    Beat                                some times a second

Those marked "batches" come once for each batch, never for each item, and only to observers whose `detail` asks for
them. All times are in seconds: `at` on the clock of `time.perf_counter`, at the end of what is told. What comes with
each batch is a named tuple, which is the cheapest record there is.
"""

from __future__ import annotations

from typing import Literal, NamedTuple, Protocol, TypeAlias

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
    """Whoever is told of a run: any object with this method, given to `plan.run(observers=[...])`.

    It is called by one thread at a time, not always the same; the run waits for it. What it raises is logged, and it
    is told nothing more. With an attribute `detail` it says what it needs: "stages" (costs nothing), "batches" (the
    default; some microseconds for each batch) or "steps" (the time of each step as well, which costs each item a
    fraction of a microsecond).
    """

    def on_event(self, event: Event, /) -> None:
        """Something happened."""


class Gauge(Protocol):
    """Counts of one stream, to be read at any time and from any thread."""

    @property
    def pulled(self) -> int:
        """Items that came from the source."""
        ...

    @property
    def done(self) -> int:
        """Items that were folded, collected or handed over."""
        ...

    @property
    def in_flight(self) -> int:
        """Items in between."""
        ...

    @property
    def peak(self) -> int:
        """The most items that were in flight at one time."""
        ...

    @property
    def failed(self) -> int:
        """Items of the run that have failed while it went on."""
        ...


class StepTime(NamedTuple):
    """One step's part in a batch: seconds in its calls, calls begun and returned, attempts that were repeated, and
    items that failed for good without ending the run.
    """

    step: int
    seconds: float
    begun: int
    returned: int
    repeated: int
    failed: int = 0


@record(eq=True)
class Progress:
    """How far a run is: what a function given as `progress` is called with.

    `task` is the last task of the stage that runs, `done` how many of its `total` items (None: not known) are done,
    `in flight` how many of a `window` are under way. `rate` is items a second over the last seconds, `left` the seconds
    that are left at this rate. `deaths` counts workers that died, `failed` items that failed while the run went on. The
    last call of a run has `ended`.
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
    """A run begins; `runtime` is its name ("processes") or the object that was given."""

    at: float
    program: Program
    runtime: str


@record
class RunEnded:
    """The run is over and nothing of it is left; `error` is what it raises."""

    at: float
    error: BaseException | None


@record
class StageStarted:
    """A stage begins; its number counts the stages of the program."""

    at: float
    stage: int


@record
class StageEnded:
    """A stage is done. One that fails has no end of its own: the run ends."""

    at: float
    stage: int


@record
class StreamOpened:
    """A stream begins to flow, with a window of so many items, through so many workers (0: it stays where it is).

    `length` is how many items will come, where that is known.
    """

    at: float
    stage: int
    workers: int
    max_in_flight: int
    length: int | None
    gauge: Gauge


class Pulled(NamedTuple):
    """The source gave items, the first with index `first`, in `seconds`, saves and capture included.

    `nbytes` counts those that are not small values; `in flight` is how many items are in flight now.
    """

    at: float
    stage: int
    first: int
    items: int
    nbytes: int
    seconds: float
    in_flight: int


class Sent(NamedTuple):
    """A batch (or a single call, or a generator) was given to the engine; `batch` is its number.

    `segment` counts the parts of a stream that goes to workers several times.
    """

    at: float
    stage: int
    batch: int
    first: int
    items: int
    nbytes: int
    segment: int = 0


class BatchCompleted(NamedTuple):
    """A batch came back, `done` of its items done, after `seconds` of work.

    `sent` is when it was given to the engine. With detail "steps", `began` is when its worker began with it and `steps`
    what each step did; else None and (). `failed` tells whether an item of it raised an exception.
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
    """A worker of a cluster has put parts of a fold together, of `nbytes` in all, in `seconds`.

    Large parts stay with the workers of a cluster until they are put together; `home` tells whether the result came
    from there. `sent` is when it was given to the engine, `began` when its worker began, with detail "steps". `failed`:
    it raised an exception. One whose worker died is told when it has been done again.
    """

    at: float
    stage: int
    parts: int
    nbytes: int
    seconds: float
    sent: float
    worker: int | None
    home: bool
    failed: bool
    began: float | None


class Delivered(NamedTuple):
    """Results were saved and folded, collected or handed over, in `seconds`; or, where they are not of the last
    `segment`, went on to the next one.
    """

    at: float
    stage: int
    first: int
    items: int
    nbytes: int
    seconds: float
    segment: int = 0


class CompletedLocally(NamedTuple):
    """The coordinator ran tasks itself: a single call, or items of a stream without workers, from source to ending.

    `seconds` may be the sum of several turns, the last of which ends now. Of tasks here and there between those of
    workers only the `steps` are told, at the end of the stream: `items` and `seconds` are 0.
    """

    at: float
    stage: int
    items: int
    seconds: float
    steps: tuple[StepTime, ...]


class Waited(NamedTuple):
    """The coordinator had nothing to do for `seconds`: the window was full, all workers had enough to do, or the
    consumer of a stream was busy with an item.

    `short` are the seconds of waits before this one that were too short to be told one by one.
    """

    at: float
    stage: int
    on: Literal["max_in_flight", "workers", "consumer"]
    seconds: float
    short: float = 0.0


@record
class Lost:
    """A batch has no answer because its worker died or was killed; items that may still run are sent again."""

    at: float
    stage: int
    batch: int
    first: int
    items: int
    worker: int | None
    started: bool


@record
class Heartbeat:
    """Nothing happened; the run goes on. At most ten a second, none while the caller alone can go on."""

    at: float


@record
class WorkerStarted:
    """There is a worker: its process id, or the system's id of its thread."""

    at: float
    worker: int


@record
class WorkerEnded:
    """A worker ended before the run: it died, was killed over a time limit, or had done all it may."""

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

# Events by their former names.
_RENAMED = {
    "Answered": "BatchCompleted",
    "Beat": "Heartbeat",
    "Called": "CompletedLocally",
    "Merged": "PartialsMerged",
}


def __getattr__(name: str) -> object:
    """Raise `AttributeError`, which tells the new name of an event that was renamed."""
    now = f"; it is now called '{_RENAMED[name]}'" if name in _RENAMED else ""
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}{now}")
