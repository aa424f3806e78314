"""What a worker of a cluster does with a parcel. Whatever happens in a task, the engine sees bytes that were returned.

An engine knows only these functions, by name: everything else is unpickled in here, so that what is missing on a worker
is named, and an exit or a strange exception in a task cannot upset the engine.
"""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Sequence
from functools import partial
from typing import NamedTuple, cast

from daglite.exceptions import TransferError
from daglite.runtime.engines.clusters.messages import (
    PROCESS,
    STAMP,
    ClusterJob,
    JobOutcome,
    Message,
    OutcomeKind,
    pack,
    unpack_job,
    writable,
)
from daglite.runtime.engines.clusters.transport import error_line
from daglite.runtime.engines.clusters.worker_state import ChainRunner, ClusterProgram, RunState, state_of
from daglite.runtime.engines.processes.worker import working_inside
from daglite.runtime.kernel.batch import BatchRun, drain, unsendable_result
from daglite.runtime.kernel.steps import BoundStep
from daglite.runtime.kernel.timers import pack_reading, take_reading
from daglite.runtime.serialization.batch_format import reason_of
from daglite.runtime.serialization.exceptions import pack_error
from daglite.runtime.transport.log_forwarding import collect_records

# How often, in seconds, somebody looks whether a call is over its time limit.
_LOOK = 0.05


class JobResources(NamedTuple):
    """What an engine lends a job: a place for the part that stays here, and somebody who hears at which step it is.

    Neither raises anything; `keep` tells whether the part is kept.
    """

    keep: Callable[[list[bytes]], bool] | None = None
    report_step: Callable[[int], None] | None = None


_NO_RESOURCES = JobResources()


def hello() -> tuple[str, str, int]:
    """What this process is: its make, its name, its process id."""
    return STAMP, PROCESS, os.getpid()


def run_job(*message: bytes | Message, resources: JobResources = _NO_RESOURCES) -> list[bytes]:
    """Do a job and pack what came of it; parts that are to be put together follow its head. Never raises."""
    try:
        job, segments = unpack_job(cast("Message", message))
        found = state_of(job.run)
        if found is None or (job.process is not None and job.process != PROCESS):
            return pack(JobOutcome("stale", PROCESS, os.getpid()))
        program = found.load(job)
        if program is None:
            return pack(JobOutcome("missing", PROCESS, os.getpid(), found.have))
        return _JobRun(found, job, resources).outcome(program, segments)
    except BaseException as error:
        return pack(JobOutcome("refused", PROCESS, os.getpid(), text=error_line(error)))


class _JobRun:
    """One job under way."""

    def __init__(self, found: RunState, job: ClusterJob, resources: JobResources) -> None:
        self._state = found
        self._job = job
        self._resources = resources
        self._run: BatchRun | None = None
        # What runs where there is no batch.
        self._task = ""
        self._records: list[bytes] = []
        # The step that has a time limit, the position of its item, and when it must be over.
        self._call: tuple[int, int, float] | None = None

    def outcome(self, program: ClusterProgram, segments: Sequence[bytes]) -> list[bytes]:
        """What comes of it."""
        try:
            chain_runner = program.acquire()
        except TransferError as error:
            return self._packed("failed", [], error=error)
        work = partial(self._do, program, chain_runner, segments)
        return self._within_limits(chain_runner, work) if chain_runner.limited else work()

    def _do(self, program: ClusterProgram, chain_runner: ChainRunner, segments: Sequence[bytes]) -> list[bytes]:
        # In the process of the coordinator records are where they should be.
        keep = self._records.append if self._job.coordinator != PROCESS else None
        chain_runner.report_step = self._resources.report_step
        with working_inside(), collect_records(keep, self._where):
            try:
                match self._job.kind:
                    case "batch":
                        return self._batch(chain_runner, segments)
                    case "combine":
                        return self._combine(chain_runner, cast("Sequence[Message]", segments))
                    case _:
                        return self._generate(chain_runner)
            finally:
                self._state.release(program, chain_runner)

    def _within_limits(self, chain_runner: ChainRunner, work: Callable[[], list[bytes]]) -> list[bytes]:
        """Work on a thread of its own; when a call of it is over its limit, answer without it.

        Nothing in Python can stop the call. It goes on, and its thread ends with it.
        """
        chain_runner.on_limited_step = self._announce
        made: list[list[bytes]] = []
        thread = threading.Thread(target=lambda: made.append(work()), name="daglite-limited", daemon=True)
        thread.start()
        while thread.is_alive():
            call, now = self._call, time.monotonic()
            if call is not None and now >= call[2]:
                if self._run is not None:
                    self._run.forget_rest()
                attempt = chain_runner.trials.attempt
                return pack(
                    JobOutcome("overdue", PROCESS, os.getpid(), self._state.have, call[1], call[0], attempt=attempt)
                )
            thread.join(_LOOK if call is None else min(_LOOK, call[2] - now))
        return made[0]

    def _announce(self, step: int, seconds: float) -> None:
        position = 0 if self._run is None else self._run.position()
        self._call = None if step < 0 else (step, position, time.monotonic() + seconds)

    def _where(self) -> tuple[str, int | None]:
        return (self._task, None) if self._run is None else self._run.where()

    def _batch(self, chain_runner: ChainRunner, segments: Sequence[bytes]) -> list[bytes]:
        codec, began, started = self._state.codec, time.time(), time.perf_counter()
        run = self._run = BatchRun(
            chain_runner.chain, codec, self._job.first_index, self._state.opened, self._job.program, self._job.context
        )
        self._state.active.add(run)
        try:
            error = run.run(*codec.unpack(writable(segments)))
        except LookupError:
            # It is to go on with what this process has given up: the round was forgotten meanwhile.
            return pack(JobOutcome("stale", PROCESS, os.getpid()))
        finally:
            self._state.active.discard(run)
        seconds = time.perf_counter() - started - chain_runner.trials.slept()
        kept = self._kept(run.cells[-1]) if error is None and chain_runner.chain.folds and run.cells else 0
        if kept:
            run.cells.pop()
        packed = [bytes(one) for one in codec.pack(run.cells, plain=run.plain)]
        kind: OutcomeKind = "done" if error is None else "failed"
        return self._packed(
            kind,
            packed,
            done=run.done,
            step=run.step,
            seconds=seconds,
            began=began,
            error=error,
            chain_runner=chain_runner,
            kept=kept,
        )

    def _kept(self, cell: object) -> int:
        """The bytes of a part, if it stays here; 0 when it goes back."""
        least, keep, codec = self._job.partial_threshold, self._resources.keep, self._state.codec
        if least is None or keep is None or self._state.over:
            return 0
        segments = [bytes(one) for one in codec.pack([cell])]
        nbytes = codec.payload_size(segments)
        return nbytes if nbytes >= least and keep(segments) else 0

    def _combine(self, chain_runner: ChainRunner, parts: Sequence[Message]) -> list[bytes]:
        """Put parts together, in this order."""
        codec, step = self._state.codec, chain_runner.chain.steps[0]
        self._task = step.function.name
        (call, _, _), *_ = chain_runner.chain.calls
        began, started, value, kept = time.time(), time.perf_counter(), None, 0
        packed: list[bytes] = []
        try:
            for number, part in enumerate(parts):
                # One after the other, so that only two of them are there as values.
                (one,), bad = codec.unpack(writable(part))
                if bad is not None:
                    raise TransferError(f"a part of the fold cannot be loaded in a worker: {reason_of(one)}")
                value = call((value, one)) if number else one
            cell = _captured(self._state.codec.serialize, step, value)
            kept = self._kept(cell)
            packed = [] if kept else [bytes(one) for one in codec.pack([cell])]
        except BaseException as error:
            seconds = time.perf_counter() - started
            return self._packed(
                "failed", [], step=step.number, seconds=seconds, began=began, error=error, chain_runner=chain_runner
            )
        return self._packed(
            "done", packed, seconds=time.perf_counter() - started, began=began, chain_runner=chain_runner, kept=kept
        )

    def _generate(self, chain_runner: ChainRunner) -> list[bytes]:
        """Drain a generator: there is one answer to a job, so its items wait here until it is done."""
        codec, step = self._state.codec, chain_runner.chain.steps[0]
        began, started = time.time(), time.perf_counter()
        cells: dict[int, list[object]] = {}

        def keep(attempt: int, piece: list[object]) -> None:
            cells.setdefault(attempt, []).extend(piece)

        def begin() -> None:
            cells.clear()
            if step.function.timeout is not None:
                self._announce(step.number, step.function.timeout)

        streamed = self._job.kind == "stream"
        end = drain(step, chain_runner.loop, codec, keep, begin, streamed=streamed, trials=chain_runner.trials)
        self._call = None
        keep(end.attempt, end.cells)
        found = cells[end.attempt]
        kind: OutcomeKind = "done" if end.error is None else "failed"
        return self._packed(
            kind,
            [bytes(one) for one in codec.pack(found)],
            done=len(found),
            step=end.attempt if end.error is None else step.number,
            seconds=time.perf_counter() - started,
            began=began,
            error=end.error,
            chain_runner=chain_runner,
        )

    def _packed(
        self,
        kind: OutcomeKind,
        segments: Sequence[bytes],
        *,
        done: int = 0,
        step: int = -1,
        seconds: float = 0.0,
        began: float = 0.0,
        error: BaseException | None = None,
        chain_runner: ChainRunner | None = None,
        kept: int = 0,
    ) -> list[bytes]:
        found = self._state
        body = None if error is None else pack_error(found.codec, error)
        timers = () if chain_runner is None else chain_runner.chain.timers
        reading = pack_reading(take_reading(began, timers)) if timers else None
        # Last: the cells and the error may have needed more.
        base = self._job.known.get(found.owner, 0)
        definitions = found.own_definitions(base)
        item_failures = () if chain_runner is None else chain_runner.trials.take_item_failures()
        outcome = JobOutcome(
            kind, PROCESS, os.getpid(), found.have, done, step, seconds, began, found.owner, base, definitions,
            self._records, body, reading, item_failures=item_failures, partial_bytes=kept,
        )  # fmt: skip
        return pack(outcome, segments)


def _captured(capture: Callable[[object], object], step: BoundStep, value: object) -> object:
    try:
        return capture(value)
    except TransferError as error:
        raise unsendable_result(step, error) from None
