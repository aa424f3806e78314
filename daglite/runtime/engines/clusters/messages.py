"""What goes to a cluster and what comes back: jobs and outcomes as lists of bytes that no engine looks into."""

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

# A head, then packed cells.
Parcel: TypeAlias = Sequence[bytes]
OutcomeKind = Literal["done", "failed", "overdue", "missing", "stale", "refused"]

# To be raised whenever `ClusterJob`, `JobOutcome` or the form of programs changes.
_FORMAT = 3
# Functions that go by value are bytecode, which only the same Python understands.
_PYTHON = f"Python {sys.version_info[0]}.{sys.version_info[1]}"
STAMP = f"daglite {importlib.metadata.version('daglite')} (format {_FORMAT}) on {_PYTHON}"
# A name for this process that no other has, on any machine.
PROCESS = f"{os.getpid()}-{os.urandom(8).hex()}"
# Cells and the table of their lengths come first; what follows are large pickles and buffers.
_LARGE_FROM = 2


class ClusterJob(NamedTuple):
    """A chunk for the program `program` of the run `run`, and what its worker may not know yet.

    `definitions` are those from number `base` on, `body` is the program or None. `known` tells, for each worker that
    defined something, how much of that the coordinator has. With `process` only that process may do the job; `home` is
    the process of the coordinator. `keep` is that of the chunk.
    """

    run: str
    program: int
    kind: WorkKind
    first: int
    base: int
    definitions: Sequence[bytes]
    body: bytes | None
    known: dict[str, int]
    process: str | None
    home: str
    notes: BatchContext | None = None
    keep: int | None = None


class JobOutcome(NamedTuple):
    """What came of a job; see `executor.Reply` for "done", "failed" and "overdue".

    "missing": the worker lacks the program, or definitions. "stale": the job was for another process, which has ended.
    "refused": it could not even be read, and `text` says why. `have` counts the coordinator's definitions that the
    worker knows. `definitions` are the worker's own from number `base` on. `began` is the time of day. A part of
    `kept` bytes stays with the workers.
    """

    kind: OutcomeKind
    process: str
    pid: int
    have: int = 0
    done: int = 0
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
    kept: int = 0


def pack_job(job: ClusterJob, segments: Sequence[bytes]) -> list[bytes]:
    """A job and its packed cells."""
    return [pickle.dumps((STAMP, tuple(job))), *segments]


def pack_outcome(outcome: JobOutcome, segments: Sequence[bytes] = ()) -> list[bytes]:
    """An outcome and its packed cells: plain values, which load everywhere."""
    return [pickle.dumps((STAMP, tuple(outcome))), *segments]


def open_job(message: Parcel) -> tuple[ClusterJob, Sequence[bytes]]:
    """The reverse of `pack_job`; raises `ExecutionError` when the other side is of another make."""
    return ClusterJob(*_opened(message[0])), message[1:]


def open_outcome(message: Parcel) -> tuple[JobOutcome, Sequence[bytes]]:
    """The reverse of `pack_outcome`; raises `ExecutionError` when the other side is of another make."""
    return JobOutcome(*_opened(message[0])), message[1:]


def writable(segments: Sequence[bytes]) -> list[bytes | bytearray]:
    """The segments with memory of their own for large buffers: tasks and users may write to their arrays."""
    if not is_framed(segments):
        return [*segments]
    return [*segments[:_LARGE_FROM], *map(bytearray, segments[_LARGE_FROM:])]


def _opened(head: bytes) -> tuple[Any, ...]:
    stamp, values = pickle.loads(head)
    if stamp != STAMP:
        raise ExecutionError(
            f"the coordinator and its workers must have the same daglite and Python: this process has {STAMP}, "
            f"the other {stamp}; install the same versions on both sides"
        )
    found: tuple[Any, ...] = values
    return found
