"""The messages between a cluster engine and its workers: lists of bytes that the cluster library does not look into.

ClusterEngine -- ClusterJob, packed items --> run_job -- JobOutcome, packed results --> ClusterEngine
"""

from __future__ import annotations

import importlib.metadata
import os
import pickle
import sys
from collections.abc import Sequence
from typing import Any, Literal, NamedTuple, TypeAlias

from daglite.exceptions import ExecutionError
from daglite.runtime.kernel.retry import ItemFailure
from daglite.runtime.kernel.work import BatchContext, WorkKind
from daglite.runtime.serialization.batch_format import is_framed

# A pickled header, then a packed batch.
Message: TypeAlias = Sequence[bytes]
OutcomeKind = Literal["done", "failed", "overdue", "missing", "stale", "refused"]

# Increased whenever `ClusterJob`, `JobOutcome` or the form of programs changes.
_FORMAT = 3
# Functions sent by value are bytecode, which only the same Python understands.
_PYTHON = f"Python {sys.version_info[0]}.{sys.version_info[1]}"
STAMP = f"daglite {importlib.metadata.version('daglite')} (format {_FORMAT}) on {_PYTHON}"
# The name of this process, unique over all machines.
PROCESS = f"{os.getpid()}-{os.urandom(8).hex()}"
# A packed batch has its items and the table of their lengths first; large pickles and buffers follow.
_LARGE_FROM = 2


class ClusterJob(NamedTuple):
    """A work item for the program `program` of the run `run`, with what its worker may not know yet.

    `definitions` are those from number `base` on; `body` is the program or None. `known` counts, for each worker that
    defined something, the definitions that the coordinator has. With `process` only that process may do the job.
    `coordinator` is the process of the coordinator.
    """

    run: str
    program: int
    kind: WorkKind
    first_index: int
    base: int
    definitions: Sequence[bytes]
    body: bytes | None
    known: dict[str, int]
    process: str | None
    coordinator: str
    context: BatchContext | None = None
    partial_threshold: int | None = None


class JobOutcome(NamedTuple):
    """The outcome of a job; see `WorkResult` for "done", "failed" and "overdue".

    "missing": the worker lacks the program, or definitions. "stale": the job was for another process, which has ended.
    "refused": the job could not be read, and `text` says why. `have` counts the coordinator's definitions that the
    worker knows. `definitions` are the worker's own, from number `base` on. `began` is the time of day. A partial of
    `partial_bytes` bytes stays with the workers.
    """

    kind: OutcomeKind
    process: str
    pid: int
    have: int = 0
    completed: int = 0
    step: int = -1
    seconds: float = 0.0
    began: float = 0.0
    owner: str = ""
    base: int = 0
    definitions: Sequence[bytes] = ()
    records: Sequence[bytes] = ()
    error: bytes | None = None
    reading: bytes | None = None
    text: str = ""
    item_failures: Sequence[ItemFailure] = ()
    attempt: int = 1
    partial_bytes: int = 0


def pack(header: ClusterJob | JobOutcome, payload: Sequence[bytes] = ()) -> list[bytes]:
    """Return a message: the header as plain values, which any process can load, then the payload."""
    return [pickle.dumps((STAMP, tuple(header))), *payload]


def unpack_job(message: Message) -> tuple[ClusterJob, Message]:
    """Return the job and its payload; raises `ExecutionError` when the coordinator has another version."""
    return ClusterJob(*_values(message[0])), message[1:]


def unpack_outcome(message: Message) -> tuple[JobOutcome, Message]:
    """Return the outcome and its payload; raises `ExecutionError` when the worker has another version."""
    return JobOutcome(*_values(message[0])), message[1:]


def writable(payload: Message) -> list[bytes | bytearray]:
    """Copy the large buffers of a packed batch: tasks and users may write to their arrays."""
    if not is_framed(payload):
        return [*payload]
    return [*payload[:_LARGE_FROM], *map(bytearray, payload[_LARGE_FROM:])]


def _values(header: bytes) -> tuple[Any, ...]:
    stamp, values = pickle.loads(header)
    if stamp != STAMP:
        raise ExecutionError(
            f"the coordinator and its workers must have the same daglite and Python: this process has {STAMP}, "
            f"the other {stamp}; install the same versions on both sides"
        )
    found: tuple[Any, ...] = values
    return found
