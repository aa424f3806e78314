"""The engine as the loop sees it: who has which chunk, what its worker knows, and what is lost when one leaves.

The loop counts how often an item was started, and may promise that nothing starts twice. So a chunk is given to one
worker process, by name, and an engine that would start it again elsewhere must not: see docs/decisions/0022.
"""

from __future__ import annotations

import time
import uuid
from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import count

from daglite.exceptions import ExecutionError, TransferError
from daglite.functions import Function
from daglite.records import replace
from daglite.runtime.engines.base import BatchPolicy, WorkerEndReason, WorkerListener
from daglite.runtime.engines.clusters.messages import PROCESS, ClusterJob, JobOutcome, open_outcome, pack_job, writable
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
from daglite.runtime.kernel.program_bytes import pack_steps
from daglite.runtime.kernel.steps import BoundStep
from daglite.runtime.kernel.timers import TimerReading, unpack_reading
from daglite.runtime.kernel.work import PartialRef, ResultKind, WorkItem, WorkResult
from daglite.runtime.serialization.exceptions import unpack_error
from daglite.runtime.serialization.pickler import Codec
from daglite.runtime.transport.log_forwarding import take_record
from daglite.scaling import CLUSTER_AIM

# How long, in seconds, a run goes on without any worker; engines start others in the place of dead ones.
_WITHOUT_WORKERS = 30.0
_PAUSE = 0.05
# From one number of a worker to the next, where machines have processes with the same id.
_NEXT = 1 << 32
# Chunks of at least so many seconds, and bytes, so that the engine's own work is little beside them.
_MOST_BYTES, _ALONE_BYTES = 8 * 1024 * 1024, 1024 * 1024
_KINDS: dict[str, ResultKind] = {"done": "done", "failed": "failed", "overdue": "overdue"}


class ClusterEngine:
    """Workers of a cluster; see `executor.Session`."""

    def __init__(self, transport: Transport) -> None:
        self._transport = transport
        self._numbered: dict[int, NodeState] = {}
        self._numbers = count()
        self._tickets = count()
        self._places = {spot.name: self._place(spot) for spot in transport.spots()}
        self.workers = sum(place.spot.slots for place in self._places.values())
        aim = max(CLUSTER_AIM, 2 * self.workers / transport.rate)
        self.batch_policy = BatchPolicy(aim, aim / 8, _MOST_BYTES, _ALONE_BYTES)
        self._listener: WorkerListener | None = None
        # Since when there is no worker.
        self._alone: float | None = None
        self._begin()

    def _begin(self) -> None:
        """A run begins: nothing of the one before is known."""
        self._run = uuid.uuid4().hex
        self.codec = Codec(f"c{self._run[:16]}")
        self._programs: dict[int, bytes] = {}
        self._flights: dict[int, RemoteJob] = {}
        # Where the parts are that stay with the workers, by their tickets.
        self._held: dict[int, NodeState] = {}
        # Programs that have something to say when their item ends its worker.
        self._guarded: set[int] = set()
        # How many definitions of each worker are known.
        self._known: dict[str, int] = {}
        self._lost: list[WorkResult] = []
        # Whether any chunk may have brought its worker down: from now on suspects are alone in theirs.
        self._suspicious = False
        self._begun = False
        self._ahead = time.time() - time.perf_counter()

    def install(self, steps: Sequence[BoundStep]) -> int:
        program = next(self._numbers)
        self._programs[program] = pack_steps(self.codec, steps)
        if any(step.function.on_error != "raise" for step in steps):
            self._guarded.add(program)
        return program

    def uninstall(self, program: int) -> None:
        self._programs.pop(program, None)

    def credits(self) -> int:
        return sum([place.credits() for place in self._places.values()])

    def has_idle_worker(self) -> bool:
        return any(self._takes_exclusive(place) for place in self._places.values())

    def max_items(self) -> None:
        return None

    def can_resume(self, function: Function) -> bool:
        # An async generator belongs to the event loop of the thread that began it; and where the engine chooses the
        # worker, no chunk finds the one that has begun.
        return function.kind != "async_generator" and not any(each.spot.alone for each in self._places.values())

    def submit(self, work_item: WorkItem) -> None:
        if work_item.worker is not None:
            able = [each for each in self._places.values() if each.number == work_item.worker]
        else:
            able = [each for each in self._places.values() if each.credits()]
        if work_item.exclusive:
            able = [each for each in able if self._takes_exclusive(each)]
        if not able:
            self._lost.append(WorkResult(work_item.seq, "lost", worker=work_item.worker, started=False))
            return
        self._launch(RemoteJob(work_item, min(able, key=_load)))

    def combine(self, work_item: WorkItem) -> None:
        at = [self._held.get(part.ticket) for part in work_item.parts]
        here = [place for place in at if place is not None]
        able = [each for each in self._places.values() if each.credits()]
        if work_item.exclusive:
            able = [each for each in able if self._takes_exclusive(each)]
        if not able or len(here) < len(at):
            missing = [number for number, place in enumerate(at) if place is None]
            self._lost.append(WorkResult(work_item.seq, "lost", started=False, missing=missing))
            return
        having = {id(place): 0 for place in here}
        for place, part in zip(here, work_item.parts, strict=True):
            having[id(place)] += part.nbytes
        self._launch(RemoteJob(work_item, min(able, key=lambda each: (-having.get(id(each), 0), _load(each))), here))

    def _launch(self, flight: RemoteJob) -> None:
        place = flight.place
        place.taken = flight.work_item.exclusive and self._suspicious and not place.spot.alone
        self._send(flight)

    def flush(self) -> None:
        """Engines send what they are given."""

    def poll(self, timeout: float | None) -> Sequence[WorkResult]:
        work_results, self._lost = self._lost, []
        for event in self._transport.event_queue.take(0.0 if work_results else self._wait(timeout)):
            match event:
                case JobFinished():
                    self._arrived(event, work_results)
                case JobFailed():
                    self._failed(event, work_results)
                case NodeJoined(spot):
                    self._join(spot)
                case NodeLeft(name, steps):
                    self._leave(name, steps, work_results)
                case EngineLost(text):
                    raise ExecutionError(text)
        self._check_workers()
        return work_results

    def wake(self) -> None:
        self._transport.event_queue.post(None)

    def notify(self, callback: Callable[[], None] | None) -> None:
        self._transport.event_queue.alerted = callback

    def poll_timeout(self, timeout: float | None) -> float | None:
        """Without workers somebody must look for how long that goes on."""
        return timeout if self._places else min(_PAUSE, _PAUSE if timeout is None else timeout)

    def listen(self, listener: WorkerListener | None) -> None:
        self._listener = listener
        for place in self._places.values():
            self._tell(place, None)

    def cancel(self) -> None:
        self._transport.cancel(list(self._flights))
        self._flights.clear()
        self._let_go(self._held)
        for place in self._places.values():
            place.tickets.clear()
            place.taken = False

    def reset(self) -> None:
        self._end()
        for place in self._places.values():
            place.heard.clear()
            place.programs.clear()
            place.sent.clear()
        self._begin()

    def close(self) -> None:
        try:
            self._end()
        finally:
            self._transport.close()

    def _end(self) -> None:
        self.cancel()
        if self._begun:
            self._begun = False
            self._transport.drop(self._run)

    def _takes_exclusive(self, place: NodeState) -> bool:
        if place.taken:
            return False
        if self._suspicious and not place.spot.alone:
            return not place.tickets
        return len(place.tickets) < place.spot.slots

    def _wait(self, timeout: float | None) -> float | None:
        """Without workers there is something to wait for even if nothing is under way."""
        if self._places:
            return timeout
        return _PAUSE if timeout is None else max(timeout, _PAUSE)

    def _check_workers(self) -> None:
        if self._places:
            self._alone = None
            return
        now = time.monotonic()
        self._alone = self._alone or now
        if now - self._alone > _WITHOUT_WORKERS:
            raise ExecutionError(
                f"all workers of the {self._transport.engine} cluster have been gone for {_WITHOUT_WORKERS:g} s; "
                "see its logs for the reason"
            )

    def _send(self, flight: RemoteJob, outcome: JobOutcome | None = None) -> None:
        """Send a chunk; after the `outcome` "missing" with all that its worker lacks."""
        work_item, place, ticket = flight.work_item, flight.place, next(self._tickets)
        body: bytes | None = self._programs[work_item.program]
        base = place.base() if outcome is None else outcome.have
        if outcome is None and place.knows(work_item.program, len(body or b"")):
            body = None
        else:
            place.sent.add(work_item.program)
        process = None if place.spot.alone else place.spot.process
        job = ClusterJob(
            self._run, work_item.program, work_item.kind, work_item.first, base, self.codec.definitions[base:], body,
            dict(self._known), process, PROCESS, work_item.notes, work_item.keep,
        )  # fmt: skip
        marks = work_item.program in self._guarded and work_item.notes is not None and work_item.notes.quarantined
        job_options = JobOptions(work_item.keep is not None, marks, [part.ticket for part in work_item.parts])
        self._flights[ticket] = flight
        place.tickets.append(ticket)
        self._begun = True
        self._transport.send(ticket, place.spot.name, pack_job(job, work_item.segments), job_options)

    def _taken_back(self, ticket: int) -> RemoteJob | None:
        """The flight of a ticket, which is answered for now; None for one that nobody waits for."""
        flight = self._flights.pop(ticket, None)
        if flight is not None:
            flight.place.tickets.remove(ticket)
        return flight

    def _arrived(self, event: JobFinished, work_results: list[WorkResult]) -> None:
        flight = self._taken_back(event.ticket)
        if flight is None:
            self._transport.release([event.ticket])
            return
        outcome, segments = open_outcome(event.message)
        if outcome.kind == "missing":
            self._send(flight, outcome)
            return
        flight.place.taken = False
        if outcome.kind == "refused":
            raise ExecutionError(f"a worker of the {self._transport.engine} cluster refused a chunk: {outcome.text}")
        if outcome.kind == "stale":
            # Its process has ended, and the engine gave it to the one that came after it.
            work_results.append(self._lost_reply(flight, step=event.step))
            return
        self._learn(flight, outcome)
        held = self._holding(event.ticket, flight, outcome)
        work_results.append(self._work_result(flight, outcome, writable(segments), held))

    def _holding(self, ticket: int, flight: RemoteJob, outcome: JobOutcome) -> PartialRef | None:
        """The part that stays with the worker, if one does; those that it was made of are not needed any more."""
        self._let_go(part.ticket for part in flight.work_item.parts if outcome.kind == "done")
        if outcome.kept:
            self._held[ticket] = flight.place
            return PartialRef(ticket, outcome.kept)
        if flight.work_item.keep is not None:
            self._transport.release([ticket])
        return None

    def _let_go(self, tickets: Iterable[int]) -> None:
        found = list(tickets)
        for ticket in found:
            self._held.pop(ticket, None)
        if found:
            self._transport.release(found)

    def _learn(self, flight: RemoteJob, outcome: JobOutcome) -> None:
        place, program = flight.place, flight.work_item.program
        place.heard[outcome.process] = max(outcome.have, place.heard.get(outcome.process, 0))
        place.programs.setdefault(program, set()).add(outcome.process)
        known = self._known.get(outcome.owner, 0)
        for body in outcome.definitions[known - outcome.base :]:
            self.codec.learn(body)
        if outcome.owner and outcome.definitions:
            self._known[outcome.owner] = max(known, outcome.base + len(outcome.definitions))
        for record in outcome.records:
            take_record(record)

    def _work_result(
        self, flight: RemoteJob, outcome: JobOutcome, segments: Sequence[bytes | bytearray], held: PartialRef | None
    ) -> WorkResult:
        error = None if outcome.error is None else unpack_error(self.codec, outcome.error)
        hint = "the call goes on in its worker, which nothing can stop" if outcome.kind == "overdue" else ""
        return WorkResult(
            flight.work_item.seq, _KINDS[outcome.kind], outcome.done, outcome.step, outcome.seconds, segments,
            self._number(flight.place, outcome.pid),
            error=error, hint=hint, reading=_read(outcome, self._ahead), item_failures=outcome.item_failures,
            attempt=outcome.attempt, held=held,
        )  # fmt: skip

    def _failed(self, event: JobFailed, work_results: list[WorkResult]) -> None:
        flight = self._taken_back(event.ticket)
        if flight is None:
            return
        flight.place.taken = False
        if not event.lost:
            engine = self._transport.engine
            raise TransferError(f"{engine} could not run a chunk: {event.text}; is daglite installed on its workers?")
        if event.missing:
            # Which of them, the engine does not say.
            self._let_go(part.ticket for part in flight.work_item.parts)
            work_results.append(_not_begun(flight, range(len(flight.at))))
            return
        work_results.append(self._lost_reply(flight, event.text, event.step))

    def _lost_reply(self, flight: RemoteJob, hint: str = "", step: int = -1, missing: Sequence[int] = ()) -> WorkResult:
        """Any chunk may have begun, also one behind another: that one's outcome may be what was lost on the way."""
        self._suspicious = True
        spot = flight.place.spot
        hint = hint or f"worker {spot.name} left the {self._transport.engine} cluster"
        return WorkResult(flight.work_item.seq, "lost", 0, step, worker=flight.place.number, hint=hint, missing=missing)

    def _number(self, place: NodeState, pid: int) -> int:
        """What the loop calls this worker by."""
        if place.spot.alone:
            return pid
        while place.number is None:
            if self._numbered.setdefault(pid, place) is place:
                place.number = pid
            pid += _NEXT
        return place.number

    def _join(self, spot: Endpoint) -> None:
        if spot.name not in self._places:
            self._places[spot.name] = self._place(spot)
            self._tell(self._places[spot.name], None)

    def _leave(self, name: str, steps: Mapping[int, int], work_results: list[WorkResult]) -> None:
        place = self._places.pop(name, None)
        if place is None:
            return
        self._tell(place, "died")
        if place.number is not None:
            del self._numbered[place.number]
        # Also what needs a part that is gone.
        lost = {ticket: flight for ticket, flight in self._flights.items() if place in (flight.place, *flight.at)}
        self._transport.cancel(lost.keys())
        for ticket, flight in lost.items():
            self._taken_back(ticket)
            flight.place.taken = False
            missing = flight.gone(place)
            if flight.place is place:
                work_results.append(self._lost_reply(flight, step=steps.get(ticket, -1), missing=missing))
            else:
                work_results.append(_not_begun(flight, missing))
        self._let_go(ticket for ticket, at in [*self._held.items()] if at is place)

    def _place(self, spot: Endpoint) -> NodeState:
        place = NodeState(spot)
        if spot.pid is not None:
            self._number(place, spot.pid)
        return place

    def _tell(self, place: NodeState, why: WorkerEndReason | None) -> None:
        if self._listener is not None and place.number is not None:
            self._listener(place.number, None, why)


def _not_begun(flight: RemoteJob, missing: Sequence[int]) -> WorkResult:
    """What could not be put together because parts are gone."""
    return WorkResult(flight.work_item.seq, "lost", started=False, missing=missing)


def _load(place: NodeState) -> float:
    return len(place.tickets) / place.spot.slots


def _read(outcome: JobOutcome, ahead: float) -> TimerReading | None:
    """What the clocks say; their beginning in the time of this machine, which the time of day is so far `ahead` of."""
    reading = outcome.reading
    return None if reading is None else replace(unpack_reading(reading), began=outcome.began - ahead)
