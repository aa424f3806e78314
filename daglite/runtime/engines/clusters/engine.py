"""The engine of a cluster: it assigns work items to nodes as jobs, and turns events into work results.

    WorkerQueue --WorkItem--> ClusterEngine --ClusterJob--> Transport ~~ network ~~ worker.run_job
    WorkerQueue <--WorkResult-- ClusterEngine <--events: JobOutcome, nodes that join or leave-- Transport

The coordinator's loop counts how often an item was started, and may promise that nothing starts twice. So a job is for
one worker process, by name, and a cluster that would start it again elsewhere must not: see docs/decisions/0022.
"""

from __future__ import annotations

import time
import uuid
from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import count
from typing import cast

from daglite.exceptions import ExecutionError, TransferError
from daglite.functions import Function
from daglite.records import replace
from daglite.runtime.engines.base import BatchPolicy, WorkerEndReason, WorkerListener
from daglite.runtime.engines.clusters.messages import PROCESS, ClusterJob, JobOutcome, pack, unpack_outcome, writable
from daglite.runtime.engines.clusters.nodes import NodeState, RemoteJob
from daglite.runtime.engines.clusters.transport import (
    Endpoint,
    EngineLost,
    JobFailed,
    JobFinished,
    JobOptions,
    NodeJoined,
    NodeLeft,
    Transport,
)
from daglite.runtime.kernel.bound_step import BoundStep
from daglite.runtime.kernel.program_bytes import pack_steps
from daglite.runtime.kernel.timers import unpack_reading
from daglite.runtime.kernel.work import PartialRef, ResultKind, WorkItem, WorkResult
from daglite.runtime.serialization.exceptions import unpack_error
from daglite.runtime.serialization.pickler import Codec
from daglite.runtime.transport.log_forwarding import handle_record
from daglite.scaling import CLUSTER_BATCH_SECONDS

# Seconds that a run goes on without any worker: clusters replace dead workers. Meanwhile, seconds between two checks.
_WITHOUT_WORKERS, _CHECK_INTERVAL = 30.0, 0.05
# The distance between the ids of workers on machines that use the same process id.
_ID_STEP = 1 << 32
# Largest batch in bytes, and the size from which an item has a job of its own.
_MOST_BYTES, _ALONE_BYTES = 8 * 1024 * 1024, 1024 * 1024


class ClusterEngine:
    """The workers of a cluster; see `base.Engine`."""

    def __init__(self, transport: Transport) -> None:
        self._transport = transport
        self._worker_ids: dict[int, NodeState] = {}
        self._program_numbers = count()
        self._ticket_numbers = count()
        self._nodes: dict[str, NodeState] = {}
        self._listener: WorkerListener | None = None
        for endpoint in transport.endpoints:
            self._add_node(endpoint)
        self.workers = sum(node.endpoint.slots for node in self._nodes.values())
        # Batches so large that the library's own cost for a job is small beside them.
        aim = max(CLUSTER_BATCH_SECONDS, 2 * self.workers / transport.rate)
        self.batch_policy = BatchPolicy(aim, aim / 8, _MOST_BYTES, _ALONE_BYTES)
        self._no_workers_since: float | None = None
        self._begin_run()

    def _begin_run(self) -> None:
        self._run = uuid.uuid4().hex
        self.codec = Codec(f"c{self._run[:16]}")
        self._programs: dict[int, bytes] = {}
        self._jobs: dict[int, RemoteJob] = {}
        # The nodes of the partials that stay with the workers, by ticket.
        self._partials: dict[int, NodeState] = {}
        # Programs whose workers report the step, as a step of theirs may handle the death of its worker.
        self._guarded_programs: set[int] = set()
        # The number of definitions that were received from each worker.
        self._received: dict[str, int] = {}
        # Results that the next `poll` returns.
        self._results: list[WorkResult] = []
        # Whether a job has been lost: from then on an exclusive work item has its node to itself.
        self._loss_seen = False
        self._job_sent = False
        # What the time of day is ahead of the clock that measures steps; measured once, so that batches do not overlap.
        self._clock_offset = time.time() - time.perf_counter()

    def install(self, steps: Sequence[BoundStep]) -> int:
        program = next(self._program_numbers)
        self._programs[program] = pack_steps(self.codec, steps)
        if any(step.function.on_error != "raise" for step in steps):
            self._guarded_programs.add(program)
        return program

    def uninstall(self, program: int) -> None:
        self._programs.pop(program, None)

    def credits(self) -> int:
        return sum([node.credits() for node in self._nodes.values()])

    def has_idle_worker(self) -> bool:
        return any(self._takes_exclusive(node) for node in self._nodes.values())

    def max_items(self) -> None:
        return None

    def can_resume(self, function: Function) -> bool:
        # An async generator belongs to the event loop of the thread that began it; and where the cluster chooses the
        # process, no job reaches the one that has begun.
        return function.kind != "async_generator" and not any(each.endpoint.pooled for each in self._nodes.values())

    def submit(self, work_item: WorkItem) -> None:
        if work_item.worker is None:
            candidates = self._nodes_for(work_item)
        else:
            candidates = [node for node in self._nodes.values() if node.worker_id == work_item.worker]
        if candidates:
            self._start(RemoteJob(work_item, min(candidates, key=lambda node: node.load)))
        else:
            self._results.append(WorkResult(work_item.seq, "lost", worker=work_item.worker, started=False))

    def combine(self, work_item: WorkItem) -> None:
        found = [self._partials.get(part.ticket) for part in work_item.partials]
        candidates = self._nodes_for(work_item)
        missing = [number for number, node in enumerate(found) if node is None]
        if missing or not candidates:
            self._results.append(WorkResult(work_item.seq, "lost", started=False, missing_partials=missing))
            return
        nodes = cast("list[NodeState]", found)
        nbytes = {id(node): 0 for node in candidates}
        for node, part in zip(nodes, work_item.partials, strict=True):
            if id(node) in nbytes:
                nbytes[id(node)] += part.nbytes
        self._start(RemoteJob(work_item, min(candidates, key=lambda node: (-nbytes[id(node)], node.load)), nodes))

    def flush(self) -> None:
        """Do nothing: jobs are sent at once."""

    def poll(self, timeout: float | None) -> Sequence[WorkResult]:
        if self._results:
            timeout = 0.0
        elif not self._nodes:
            # A worker may join even when no job is in flight.
            timeout = _CHECK_INTERVAL
        for event in self._transport.event_queue.take(timeout):
            match event:
                case JobFinished():
                    self._on_finished(event)
                case JobFailed():
                    self._on_failed(event)
                case NodeJoined(endpoint):
                    if endpoint.name not in self._nodes:
                        self._report(self._add_node(endpoint), None)
                case NodeLeft(name, steps):
                    self._on_node_left(name, steps)
                case EngineLost(text):
                    raise ExecutionError(text)
        self._check_workers()
        results, self._results = self._results, []
        return results

    def wake(self) -> None:
        self._transport.event_queue.post(None)

    def notify(self, callback: Callable[[], None] | None) -> None:
        self._transport.event_queue.on_post = callback

    def poll_timeout(self, timeout: float | None) -> float | None:
        if self._nodes:
            return timeout
        return _CHECK_INTERVAL if timeout is None else min(_CHECK_INTERVAL, timeout)

    def listen(self, listener: WorkerListener | None) -> None:
        self._listener = listener
        for node in self._nodes.values():
            self._report(node, None)

    def cancel(self) -> None:
        self._transport.cancel(list(self._jobs))
        self._jobs.clear()
        self._results.clear()
        self._release(self._partials)
        for node in self._nodes.values():
            node.tickets.clear()
            node.reserved = False

    def reset(self) -> None:
        self._end_run()
        for node in self._nodes.values():
            node.forget_run()
        self._begin_run()

    def close(self) -> None:
        try:
            self._end_run()
        finally:
            self._transport.close()

    def _end_run(self) -> None:
        self.cancel()
        if self._job_sent:
            self._job_sent = False
            self._transport.drop(self._run)

    def _nodes_for(self, work_item: WorkItem) -> list[NodeState]:
        candidates = [node for node in self._nodes.values() if node.credits()]
        return [node for node in candidates if self._takes_exclusive(node)] if work_item.exclusive else candidates

    def _takes_exclusive(self, node: NodeState) -> bool:
        if node.reserved:
            return False
        if self._loss_seen and not node.endpoint.pooled:
            return not node.tickets
        return len(node.tickets) < node.endpoint.slots

    def _check_workers(self) -> None:
        if self._nodes:
            self._no_workers_since = None
            return
        now = time.monotonic()
        self._no_workers_since = self._no_workers_since or now
        if now - self._no_workers_since > _WITHOUT_WORKERS:
            raise ExecutionError(
                f"all workers of the {self._transport.name} cluster have been gone for {_WITHOUT_WORKERS:g} s; "
                "see its logs for the reason"
            )

    def _start(self, job: RemoteJob) -> None:
        job.node.reserved = job.work_item.exclusive and self._loss_seen and not job.node.endpoint.pooled
        program = job.work_item.program
        whole = not job.node.has_program(program, len(self._programs[program]))
        self._send(job, job.node.first_unknown(), with_program=whole)

    def _send(self, job: RemoteJob, base: int, *, with_program: bool) -> None:
        """Send a job with the definitions from number `base` on."""
        work_item, node, ticket = job.work_item, job.node, next(self._ticket_numbers)
        if with_program:
            node.sent_programs.add(work_item.program)
        message = ClusterJob(
            self._run,
            work_item.program,
            work_item.kind,
            work_item.first_index,
            base,
            self.codec.definitions[base:],
            self._programs[work_item.program] if with_program else None,
            dict(self._received),
            None if node.endpoint.pooled else node.endpoint.process,
            PROCESS,
            work_item.context,
            work_item.partial_threshold,
        )
        quarantined = work_item.context is not None and work_item.context.quarantined
        job_options = JobOptions(
            work_item.partial_threshold is not None,
            quarantined and work_item.program in self._guarded_programs,
            [part.ticket for part in work_item.partials],
        )
        self._jobs[ticket] = job
        node.tickets.add(ticket)
        self._job_sent = True
        self._transport.send(ticket, node.endpoint.name, pack(message, work_item.payload), job_options)

    def _take_job(self, ticket: int) -> RemoteJob | None:
        """Remove a job that is in flight no more; None when it was cancelled."""
        job = self._jobs.pop(ticket, None)
        if job is not None:
            job.node.tickets.remove(ticket)
        return job

    def _on_finished(self, event: JobFinished) -> None:
        job = self._take_job(event.ticket)
        if job is None:
            self._transport.release([event.ticket])
            return
        outcome, payload = unpack_outcome(event.message)
        if outcome.kind == "missing":
            self._send(job, outcome.have, with_program=True)
            return
        job.node.reserved = False
        if outcome.kind == "refused":
            raise ExecutionError(f"a worker of the {self._transport.name} cluster refused a job: {outcome.text}")
        if outcome.kind == "stale":
            # Its process has ended, and the cluster gave it to another one at the same address.
            self._add_lost(job, step=event.step)
            return
        self._update_known(job, outcome)
        self._add_result(event.ticket, job, outcome, payload)

    def _add_result(self, ticket: int, job: RemoteJob, outcome: JobOutcome, payload: Sequence[bytes]) -> None:
        work_item, reading, partial = job.work_item, None, None
        if outcome.kind == "done":
            self._release(part.ticket for part in work_item.partials)
        if outcome.partial_bytes:
            self._partials[ticket] = job.node
            partial = PartialRef(ticket, outcome.partial_bytes)
        elif work_item.partial_threshold is not None:
            self._transport.release([ticket])
        if outcome.reading is not None:
            reading = replace(unpack_reading(outcome.reading), began=outcome.began - self._clock_offset)
        error, trace = (None, "") if outcome.error is None else unpack_error(self.codec, outcome.error)
        hint = "the call goes on in its worker, which nothing can stop" if outcome.kind == "overdue" else ""
        self._results.append(
            WorkResult(
                work_item.seq, cast("ResultKind", outcome.kind), outcome.completed, outcome.step, outcome.seconds,
                writable(payload), self._worker_id(job.node, outcome.pid),
                error=error, traceback=trace, hint=hint, reading=reading,
                item_failures=outcome.item_failures, attempt=outcome.attempt, partial=partial,
            )
        )  # fmt: skip

    def _update_known(self, job: RemoteJob, outcome: JobOutcome) -> None:
        node, process = job.node, outcome.process
        node.known_definitions[process] = max(outcome.have, node.known_definitions.get(process, 0))
        node.programs.setdefault(job.work_item.program, set()).add(process)
        received = self._received.get(outcome.owner, 0)
        for body in outcome.definitions[received - outcome.base :]:
            self.codec.add_definition(body)
        if outcome.owner and outcome.definitions:
            self._received[outcome.owner] = max(received, outcome.base + len(outcome.definitions))
        for record in outcome.records:
            handle_record(record)

    def _on_failed(self, event: JobFailed) -> None:
        job = self._take_job(event.ticket)
        if job is None:
            return
        job.node.reserved = False
        if not event.lost:
            name = self._transport.name
            raise TransferError(f"{name} could not run a job: {event.text}; is daglite installed on its workers?")
        if event.partials_lost:
            # The cluster does not say which of them.
            self._release(part.ticket for part in job.work_item.partials)
            self._add_not_started(job, range(len(job.partial_nodes)))
        else:
            self._add_lost(job, event.text, event.step)

    def _on_node_left(self, name: str, steps: Mapping[int, int]) -> None:
        node = self._nodes.pop(name, None)
        if node is None:
            return
        self._report(node, "died")
        if node.worker_id is not None:
            del self._worker_ids[node.worker_id]
        # Also jobs elsewhere that need a partial of this node.
        lost = {ticket: job for ticket, job in self._jobs.items() if node in (job.node, *job.partial_nodes)}
        self._transport.cancel(lost.keys())
        for ticket, job in lost.items():
            self._take_job(ticket)
            job.node.reserved = False
            missing = [number for number, each in enumerate(job.partial_nodes) if each is node]
            if job.node is node:
                self._add_lost(job, step=steps.get(ticket, -1), missing=missing)
            else:
                self._add_not_started(job, missing)
        self._release([ticket for ticket, each in self._partials.items() if each is node])

    def _add_lost(self, job: RemoteJob, hint: str = "", step: int = -1, missing: Sequence[int] = ()) -> None:
        """Add the result of a job that was lost with its worker. It may have started.

        That holds also for a job that waited behind another: the outcome of that one may have been lost on the way.
        """
        self._loss_seen = True
        hint = hint or f"worker {job.node.endpoint.name} left the {self._transport.name} cluster"
        self._results.append(
            WorkResult(
                job.work_item.seq, "lost", 0, step, worker=job.node.worker_id, hint=hint, missing_partials=missing
            )
        )

    def _add_not_started(self, job: RemoteJob, missing: Sequence[int]) -> None:
        """Add the result of a combination that could not start because partials are gone."""
        self._results.append(WorkResult(job.work_item.seq, "lost", started=False, missing_partials=missing))

    def _release(self, tickets: Iterable[int]) -> None:
        """Delete partials that are needed no more."""
        found = list(tickets)
        for ticket in found:
            self._partials.pop(ticket, None)
        if found:
            self._transport.release(found)

    def _add_node(self, endpoint: Endpoint) -> NodeState:
        node = self._nodes[endpoint.name] = NodeState(endpoint)
        if endpoint.pid is not None:
            self._worker_id(node, endpoint.pid)
        return node

    def _worker_id(self, node: NodeState, pid: int) -> int:
        """Return the id by which the coordinator's loop knows a worker: its process id, unless another has the same."""
        if node.endpoint.pooled:
            return pid
        while node.worker_id is None:
            if self._worker_ids.setdefault(pid, node) is node:
                node.worker_id = pid
            pid += _ID_STEP
        return node.worker_id

    def _report(self, node: NodeState, why: WorkerEndReason | None) -> None:
        if self._listener is not None and node.worker_id is not None:
            self._listener(node.worker_id, None, why)
