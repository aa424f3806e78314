"""Run jobs in a worker of a cluster: unpack the message, run the work item, pack its outcome.

The cluster only calls these functions, by name, and gets bytes back. Everything else is unpickled here, so that an
error can name what is missing on a worker, and an exit or an unusual exception in a task does not reach the cluster.
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
    pack,
    unpack_job,
)
from daglite.runtime.engines.clusters.transport import error_line
from daglite.runtime.engines.clusters.worker_state import ChainRunner, ClusterProgram, RunState, state_of
from daglite.runtime.engines.processes.worker import working_inside
from daglite.runtime.kernel.timers import pack_reading
from daglite.runtime.kernel.work import WorkItem, WorkResult
from daglite.runtime.kernel.work_runner import WorkRunner
from daglite.runtime.serialization.codec import Packed
from daglite.runtime.serialization.exceptions import pack_error
from daglite.runtime.transport.log_forwarding import collect_records

# The interval, in seconds, of checks whether a call is over its time limit.
_CHECK_SECONDS = 0.05


class JobResources(NamedTuple):
    """Functions that a cluster provides to a job.

    `keep` stores a partial and returns whether it did; `report_step` notes the step.

    Neither of them raises.
    """

    keep: Callable[[list[bytes]], bool] | None = None
    report_step: Callable[[int], None] | None = None


_NO_RESOURCES = JobResources()


def hello() -> tuple[str, str, int]:
    """Return the versions of this process, its name, and its process id."""
    return STAMP, PROCESS, os.getpid()


def run_job(*message: bytes | Message, resources: JobResources = _NO_RESOURCES) -> list[bytes]:
    """Run a job and pack its outcome; partials to be combined follow its head. Never raises."""
    try:
        job, segments = unpack_job(cast("Message", message))
        state = state_of(job.run)
        if state is None or (job.process is not None and job.process != PROCESS):
            return pack(JobOutcome("stale", PROCESS, os.getpid()))
        program = state.load(job)
        if program is None:
            return pack(JobOutcome("missing", PROCESS, os.getpid(), state.have))
        return _JobRun(state, job, resources).outcome(program, segments)
    except BaseException as error:
        return pack(JobOutcome("refused", PROCESS, os.getpid(), text=error_line(error)))


class _JobRun:
    """One job at work."""

    def __init__(self, state: RunState, job: ClusterJob, resources: JobResources) -> None:
        self._state = state
        self._job = job
        self._resources = resources
        self._runner = WorkRunner(
            state.codec, state.opened, keep_partial=None if resources.keep is None else self._keep
        )
        self._records: list[bytes] = []
        # The step that has a time limit, the position of its item, and when it must be over.
        self._call: tuple[int, int, float] | None = None

    def outcome(self, program: ClusterProgram, segments: Sequence[bytes]) -> list[bytes]:
        """Run the job and pack its outcome."""
        try:
            chain_runner = program.acquire()
        except TransferError as error:
            return self._packed(WorkResult(0, "failed", error=error))
        work = partial(self._do, program, chain_runner, segments)
        return self._within_limits(chain_runner, work) if chain_runner.limited else work()

    def _do(self, program: ClusterProgram, chain_runner: ChainRunner, segments: Sequence[bytes]) -> list[bytes]:
        # In the process of the coordinator, records reach its handlers anyway.
        keep = self._records.append if self._job.coordinator != PROCESS else None
        chain_runner.report_step = self._resources.report_step
        job, runner = self._job, self._runner
        work_item = WorkItem(
            0,
            job.program,
            job.kind,
            segments,
            1,
            job.first_index,
            context=job.context,
            partial_threshold=job.partial_threshold,
        )
        self._state.active.add(runner)
        with working_inside(), collect_records(keep, runner.where):
            began = time.time()
            try:
                try:
                    work_result = runner.run(work_item, chain_runner.chain)
                except LookupError:
                    # It continues a result whose iterator is gone: this process has dropped the run meanwhile.
                    return pack(JobOutcome("stale", PROCESS, os.getpid()))
                self._call = None
                return self._packed(work_result, began)
            finally:
                self._state.active.discard(runner)
                self._state.release(program, chain_runner)

    def _within_limits(self, chain_runner: ChainRunner, work: Callable[[], list[bytes]]) -> list[bytes]:
        """Work on a thread of its own; when a call is over its time limit, answer without it.

        Nothing in Python can stop the call. It goes on, and its thread ends with it.
        """
        chain_runner.on_limited_step = self._announce
        made: list[list[bytes]] = []
        thread = threading.Thread(target=lambda: made.append(work()), name="daglite-limited", daemon=True)
        thread.start()
        while thread.is_alive():
            call, now = self._call, time.monotonic()
            if call is not None and now >= call[2]:
                self._runner.stop()
                attempt = chain_runner.retry_tracker.attempt
                return pack(
                    JobOutcome("overdue", PROCESS, os.getpid(), self._state.have, call[1], call[0], attempt=attempt)
                )
            thread.join(_CHECK_SECONDS if call is None else min(_CHECK_SECONDS, call[2] - now))
        return made[0]

    def _announce(self, step: int, seconds: float) -> None:
        self._call = None if step < 0 else (step, self._runner.position(), time.monotonic() + seconds)

    def _keep(self, packed: Packed) -> bool:
        """Let the cluster store a partial in this process."""
        assert self._resources.keep is not None
        return not self._state.over and self._resources.keep([bytes(one) for one in packed])

    def _packed(self, work_result: WorkResult, began: float = 0.0) -> list[bytes]:
        state = self._state
        error, reading, kept = work_result.error, work_result.reading, work_result.partial
        body = None if error is None else pack_error(state.codec, error)
        # Last: the results and the error may have needed more.
        base = self._job.known.get(state.owner, 0)
        definitions = state.own_definitions(base)
        outcome = JobOutcome(
            "done" if error is None else "failed", PROCESS, os.getpid(), state.have, work_result.completed,
            work_result.step, work_result.seconds, began, state.owner, base, definitions, self._records, body,
            None if reading is None else pack_reading(reading), item_failures=work_result.item_failures,
            partial_bytes=0 if kept is None else kept.nbytes,
        )  # fmt: skip
        return pack(outcome, [bytes(one) for one in work_result.payload])
