"""Every error that daglite raises, and the facts of a failed run.

    DagliteError
    ├── TaskError                 a task or a pipeline put together wrongly
    │   └── ParameterError        a wrong parameter or option value
    ├── DatasetError              a store or one of its keys
    └── ExecutionError            a run that could not go on
        ├── WorkerDiedError       a worker ended while it held items
        ├── TaskTimeoutError      an item over its time limit (also a TimeoutError)
        ├── TransferError         a value that cannot be pickled or unpickled
        ├── TaskFailedError       a task's own exception that cannot be serialized
        └── TooManyFailuresError  more items failed than `max_failures` allows

A task's own exception is raised as itself, with its own type, where it can be serialized. `failure_of` gives the facts.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from daglite.lazy import lazy

if TYPE_CHECKING:
    import pickle
else:
    pickle = lazy("pickle")

__all__ = [
    "DagliteError",
    "DatasetError",
    "ExecutionError",
    "Failure",
    "MOST_KEPT",
    "ParameterError",
    "ReplayRecord",
    "TaskError",
    "TaskFailedError",
    "TaskTimeoutError",
    "TooManyFailuresError",
    "TransferError",
    "WorkerDiedError",
    "failure_of",
]


# The largest item, in bytes, that is kept with its failure.
MOST_KEPT = 1024 * 1024


class DagliteError(Exception):
    """The base class of every error that daglite itself raises."""


class TaskError(DagliteError):
    """A task or a pipeline is built wrongly; raised before anything runs."""


class ParameterError(TaskError):
    """A parameter or an option is unknown, missing or bound twice, or its value is not allowed."""


class DatasetError(DagliteError):
    """A store refuses a request: an illegal key, a key that one run writes twice, or a key without a value."""


class ExecutionError(DagliteError):
    """A run cannot go on, for another reason than an exception of the user's code."""


class WorkerDiedError(ExecutionError):
    """A worker process ended (by a signal, an exit code, out of memory) while it held items."""


class TaskTimeoutError(ExecutionError, TimeoutError):
    """A call took longer than the `timeout` of its task."""


class TransferError(ExecutionError):
    """A task, an item or a result cannot be pickled or unpickled."""


class TaskFailedError(ExecutionError):
    """A task failed with an exception that cannot be raised as itself in the coordinator.

    Either it cannot be serialized (the message has its type, its arguments and its traceback as text), or Python would
    mistake it for one of the coordinator's own (`SystemExit`, `KeyboardInterrupt`, `GeneratorExit`, `StopIteration`;
    then it is the `__cause__`).
    """


class TooManyFailuresError(ExecutionError):
    """More items failed than the option `max_failures` of the run allows."""


class ReplayRecord:
    """The item of a failure as it entered step number `step`, with the `seed` of its run: the input of `Plan.replay`.

    Pickling the record keeps the item if `pickle` can write it in `MOST_KEPT` bytes.
    """

    __slots__ = ("_item", "missing", "seed", "step")

    def __init__(self, step: int, item: object, seed: int = 0, missing: str = "") -> None:
        """Keep `item`; `missing` is the reason why there is none."""
        self.step = step
        self.seed = seed
        self.missing = missing
        self._item = item

    @property
    def item(self) -> object:
        """The item; raises `TransferError` when it was not kept."""
        if self.missing:
            raise TransferError(f"the item was not kept: {self.missing}")
        return self._item

    def __reduce__(self) -> tuple[object, ...]:
        if self.missing:
            return _kept, (self.step, b"", self.seed, self.missing)
        try:
            data = pickle.dumps(self._item)
        except Exception as error:
            return _kept, (self.step, b"", self.seed, f"it cannot be pickled: {type(error).__name__}: {error}")
        if len(data) > MOST_KEPT:
            return _kept, (self.step, b"", self.seed, f"its {len(data)} bytes are more than {MOST_KEPT}")
        return _kept, (self.step, data, self.seed, "")


def _kept(step: int, data: bytes, seed: int, missing: str) -> ReplayRecord:
    if missing:
        return ReplayRecord(step, None, seed, missing)
    try:
        return ReplayRecord(step, pickle.loads(data), seed)
    except Exception as error:
        return ReplayRecord(step, None, seed, f"it cannot be loaded here: {type(error).__name__}: {error}")


@dataclass(frozen=True, slots=True)
class Failure:
    """The facts of a failed run; see `failure_of`.

    `task` is the name of the task and `step` its number in the plan. `index` counts the items of the source from 0;
    None where the source itself or a single call failed. `item` is a shortened `repr`. `attempt` counts from 1.
    `worker` is the process id of the worker, on threads the system's id of the thread, None for the coordinator.
    `exitcode` is set when a worker died: negative for a signal. `traceback` is the text of the traceback in the worker,
    empty in the coordinator. `kept` holds the item for `Plan.replay`.
    """

    task: str
    step: int | None = None
    index: int | None = None
    item: str | None = None
    attempt: int = 1
    worker: int | None = None
    exitcode: int | None = None
    traceback: str = ""
    kept: ReplayRecord | None = field(default=None, repr=False, compare=False)


_ATTRIBUTE = "__daglite_failure__"


def failure_of(error: BaseException) -> Failure | None:
    """Return the facts of a failed run; None for an exception that no run has raised.

    >>> failure_of(ValueError("not from a run")) is None
    True
    """
    found = getattr(error, _ATTRIBUTE, None)
    return found if isinstance(found, Failure) else None


def attach_failure(error: BaseException, failure: Failure) -> None:
    """Attach `failure` to `error`, unless it has one: the first is nearest to the cause."""
    if failure_of(error) is None:
        setattr(error, _ATTRIBUTE, failure)
