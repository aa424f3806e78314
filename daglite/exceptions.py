"""Every error daglite raises, and the facts behind a failed run.

    DagliteError
    ├── TaskError                a task or a pipeline put together wrongly
    │   └── ParameterError       a wrong parameter or option value
    ├── DatasetError             a store or one of its keys
    └── ExecutionError           a run that could not go on
        ├── WorkerDiedError      a worker ended while it held items
        ├── TaskTimeoutError     an item over its time limit (also a TimeoutError)
        ├── TransferError        a value that cannot be pickled or unpickled
        └── TaskFailedError      a task's own exception that could not travel

A task's exception that can travel is raised as itself, with its own type; `failure_of` gives the facts daglite knows.
"""

from __future__ import annotations

from dataclasses import dataclass

__all__ = [
    "DagliteError",
    "DatasetError",
    "ExecutionError",
    "Failure",
    "ParameterError",
    "TaskError",
    "TaskFailedError",
    "TaskTimeoutError",
    "TransferError",
    "WorkerDiedError",
    "failure_of",
]


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


@dataclass(frozen=True, slots=True)
class Failure:
    """What daglite knows about a failed run; see `failure_of`.

    `index` counts items from 0; it is None where no item was at work (the source itself, a single call). `item` is a
    cut `repr`. `attempt` counts from 1. `worker` is the process id of the worker, on threads the system's id of the
    thread, None for the coordinator. `exitcode` is set when a worker died: negative for a signal. `traceback` is the
    text of the traceback in the worker, empty in the coordinator.
    """

    task: str
    step: int | None = None
    index: int | None = None
    item: str | None = None
    attempt: int = 1
    worker: int | None = None
    exitcode: int | None = None
    traceback: str = ""


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
