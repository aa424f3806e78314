"""Every error daglite raises, and the facts behind a failed run.

    DagliteError
    ├── TaskError                 a task or a pipeline put together wrongly
    │   └── ParameterError        a wrong parameter or option value
    ├── DatasetError              a store or one of its keys
    └── ExecutionError            a run that could not go on
        ├── WorkerDiedError       a worker ended while it held items
        ├── TaskTimeoutError      an item over its time limit (also a TimeoutError)
        ├── TransferError         a value that cannot be pickled or unpickled
        ├── TaskFailedError       a task's own exception that could not travel
        └── TooManyFailuresError  more items failed than `max_failures` allows

A task's exception that can travel is raised as itself, with its own type; `failure_of` gives the facts daglite knows.
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


# An item larger than this, in bytes, is not kept with its failure.
MOST_KEPT = 1024 * 1024


class DagliteError(Exception):
    """Root of every error that daglite itself raises."""


class TaskError(DagliteError):
    """A task or a pipeline was put together wrongly; raised before anything runs."""


class ParameterError(TaskError):
    """A parameter or an option has an unknown name, is missing, is bound twice, or has a value that is not allowed."""


class DatasetError(DagliteError):
    """A store could not be used as asked: a bad key, a key written twice by one run, or a key that is not there."""


class ExecutionError(DagliteError):
    """A run could not go on, for a reason that is not an exception raised by the user's own code."""


class WorkerDiedError(ExecutionError):
    """A worker process ended (signal, exit code, out of memory) while it held work."""


class TaskTimeoutError(ExecutionError, TimeoutError):
    """An item ran longer than its task's time limit."""


class TransferError(ExecutionError):
    """A task, an item or a result could not be pickled or unpickled."""


class TaskFailedError(ExecutionError):
    """A task failed with an exception that cannot be raised as itself in the coordinator.

    Either it could not travel (then the message holds its type name, its arguments and its traceback as text), or it is
    one that would be mistaken for the coordinator's own (`SystemExit`, `KeyboardInterrupt`, `GeneratorExit`,
    `StopIteration`; then it is the `__cause__`).
    """


class TooManyFailuresError(ExecutionError):
    """More items failed than the `max_failures` of the run allows."""


class ReplayRecord:
    """The item of a failure as it entered step number `step`, for another run of it; `seed` is that of the run.

    Where the failure travels, an item goes along that plain pickle can take, in `MOST_KEPT` bytes.
    """

    __slots__ = ("_item", "missing", "seed", "step")

    def __init__(self, step: int, item: object, seed: int = 0, missing: str = "") -> None:
        """`missing`: why there is no item."""
        self.step = step
        self.seed = seed
        self.missing = missing
        self._item = item

    @property
    def item(self) -> object:
        """The item; raises `TransferError` when it could not be kept."""
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
    """What daglite knows about a failed run; see `failure_of`.

    `index` counts items from 0; it is None where no item was at work (the source itself, a single call). `item` is a
    cut `repr`. `attempt` counts from 1. `worker` is the process id of the worker, on threads the system's id of the
    thread, None for the coordinator. `exitcode` is set when a worker died: negative for a signal. `traceback` is the
    text of the traceback in the worker, empty in the coordinator. `kept` holds the item for `Plan.replay`.
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
    """Return the facts of a failed run, or None when daglite knows nothing about `error`.

    >>> failure_of(ValueError("not from a run")) is None
    True
    """
    found = getattr(error, _ATTRIBUTE, None)
    return found if isinstance(found, Failure) else None


def attach_failure(error: BaseException, failure: Failure) -> None:
    """Remember `failure` on `error`; the first one wins, because it is nearest to the cause."""
    if failure_of(error) is None:
        setattr(error, _ATTRIBUTE, failure)
