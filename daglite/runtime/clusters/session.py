"""The engine as the loop sees it: who has which chunk, what its worker knows, and what is lost when one leaves.

The loop counts how often an item was started, and may promise that nothing starts twice. So a chunk is given to one
worker process, by name, and an engine that would start it again elsewhere must not: see docs/decisions/0022.
"""

from __future__ import annotations

import time
import uuid
from collections.abc import Sequence
from itertools import count

from daglite.capacity import CLUSTER_AIM
from daglite.exceptions import ExecutionError, TransferError
from daglite.functions import Function
from daglite.records import replace
from daglite.runtime.chain import BoundStep
from daglite.runtime.clusters.carrier import Arrived, Broken, Carrier, Failed, Joined, Left, Spot
from daglite.runtime.clusters.parcels import PROCESS, Job, Outcome, open_outcome, pack_job, writable
from daglite.runtime.executor import Chunk, EndedBy, Hear, Reply, ReplyKind, Session
from daglite.runtime.logs import take_record
from daglite.runtime.streams.batch import Pace
from daglite.runtime.travel.errors import unpack_error
from daglite.runtime.travel.install import pack_steps
from daglite.runtime.travel.wire import Codec
from daglite.runtime.watching.tally import Reading, unpack_reading

__all__ = ["ClusterSession"]

# Two batches for each slot: one under way, one waiting behind it.
_CREDITS = 2
# A program of this size at most goes with every chunk until its worker has answered to one.
_SMALL = 64 * 1024
# How long, in seconds, a run goes on without any worker; engines start others in the place of dead ones.
_WITHOUT_WORKERS = 30.0
_PAUSE = 0.05
# From one number of a worker to the next, where machines have processes with the same id.
_NEXT = 1 << 32
# Chunks of at least so many seconds, and bytes, so that the engine's own work is little beside them.
_MOST_BYTES, _ALONE_BYTES = 8 * 1024 * 1024, 1024 * 1024
_KINDS: dict[str, ReplyKind] = {"done": "done", "failed": "failed", "overdue": "overdue"}


class _Place:
    """A spot as the session sees it. `heard` are the processes that answered, with the definitions they know."""

    def __init__(self, spot: Spot) -> None:
        self.spot = spot
        self.tickets: list[int] = []
        self.heard: dict[str, int] = {}
        self.programs: dict[int, set[str]] = {}
        self.sent: set[int] = set()
        self.taken = False
        # What the loop calls it by: the process id, as long as no other machine has the same.
        self.number: int | None = None

    @property
    def width(self) -> int:
        """How many processes there are."""
        return self.spot.slots if self.spot.alone else 1

    def credits(self) -> int:
        """How many more chunks it may be given."""
        return 0 if self.taken else max(0, _CREDITS * self.spot.slots - len(self.tickets))

    def base(self) -> int:
        """How many definitions every process here is known to have."""
        return min(self.heard.values()) if len(self.heard) >= self.width else 0

    def knows(self, program: int, size: int) -> bool:
        """Whether a program need not be sent: if that is wrong, the worker says so."""
        if len(self.programs.get(program, ())) >= self.width:
            return True
        return size > _SMALL and program in self.sent


class _Flight:
    """A chunk under way."""

    def __init__(self, chunk: Chunk, place: _Place) -> None:
        self.chunk = chunk
        self.place = place


class ClusterSession:
    """Workers of a cluster; see `executor.Session`."""

    attends = False

    def __init__(self, carrier: Carrier) -> None:
        self._carrier = carrier
        self._numbered: dict[int, _Place] = {}
        self._numbers = count()
        self._tickets = count()
        self._places = {spot.name: self._place(spot) for spot in carrier.spots()}
        self.workers = sum(place.spot.slots for place in self._places.values())
        aim = max(CLUSTER_AIM, 2 * self.workers / carrier.rate)
        self.pace = Pace(aim, aim / 8, _MOST_BYTES, _ALONE_BYTES)
        self._hear: Hear | None = None
        # Since when there is no worker.
        self._alone: float | None = None
        self._begin()

    def _begin(self) -> None:
        """A run begins: nothing of the one before is known."""
        self._run = uuid.uuid4().hex
        self.codec = Codec(f"c{self._run[:16]}")
        self._programs: dict[int, bytes] = {}
        self._flights: dict[int, _Flight] = {}
        # How many definitions of each worker are known.
        self._known: dict[str, int] = {}
        self._lost: list[Reply] = []
        # Whether any chunk may have brought its worker down: from now on suspects are alone in theirs.
        self._suspicious = False
        self._begun = False

    def install(self, steps: Sequence[BoundStep]) -> int:
        program = next(self._numbers)
        self._programs[program] = pack_steps(self.codec, steps)
        return program

    def forget(self, program: int) -> None:
        self._programs.pop(program, None)

    def free(self) -> int:
        return sum([place.credits() for place in self._places.values()])

    def idle(self) -> bool:
        return any(self._takes_exclusive(place) for place in self._places.values())

    def most(self) -> None:
        return None

    def resumes(self, function: Function) -> bool:
        # An async generator belongs to the event loop of the thread that began it; and where the engine chooses the
        # worker, no chunk finds the one that has begun.
        return function.kind != "async_generator" and not any(each.spot.alone for each in self._places.values())

    def submit(self, chunk: Chunk) -> None:
        if chunk.worker is not None:
            able = [each for each in self._places.values() if each.number == chunk.worker]
        else:
            able = [each for each in self._places.values() if each.credits()]
        if chunk.exclusive:
            able = [each for each in able if self._takes_exclusive(each)]
        if not able:
            self._lost.append(Reply(chunk.seq, "lost", worker=chunk.worker, started=False))
            return
        place = min(able, key=_load)
        place.taken = chunk.exclusive and self._suspicious and not place.spot.alone
        self._send(_Flight(chunk, place))

    def flush(self) -> None:
        """Engines send what they are given."""

    def ready(self, timeout: float | None) -> Sequence[Reply]:
        replies, self._lost = self._lost, []
        for event in self._carrier.mail.take(0.0 if replies else self._wait(timeout)):
            match event:
                case Arrived(ticket, parcel):
                    self._arrived(ticket, parcel, replies)
                case Failed(ticket, text, lost):
                    self._failed(ticket, text, lost, replies)
                case Joined(spot):
                    self._join(spot)
                case Left(name):
                    self._leave(name, replies)
                case Broken(text):
                    raise ExecutionError(text)
        self._check_workers()
        return replies

    def wake(self) -> None:
        self._carrier.mail.post(None)

    def attend(self, fd: int, *, on: bool) -> None:
        raise AssertionError("it waits at a queue")

    def alert(self, other: Session | None) -> None:
        self._carrier.mail.alerted = None if other is None else other.wake

    def patience(self, timeout: float | None) -> float | None:
        """Without workers somebody must look for how long that goes on."""
        return timeout if self._places else min(_PAUSE, _PAUSE if timeout is None else timeout)

    def listen(self, hear: Hear | None) -> None:
        self._hear = hear
        for place in self._places.values():
            self._tell(place, None)

    def abandon(self) -> None:
        self._carrier.cancel(list(self._flights))
        self._flights.clear()
        for place in self._places.values():
            place.tickets.clear()
            place.taken = False

    def recycle(self) -> None:
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
            self._carrier.close()

    def _end(self) -> None:
        self.abandon()
        if self._begun:
            self._begun = False
            self._carrier.drop(self._run)

    def _takes_exclusive(self, place: _Place) -> bool:
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
                f"all workers of the {self._carrier.engine} cluster have been gone for {_WITHOUT_WORKERS:g} s; "
                "see its logs for the reason"
            )

    def _send(self, flight: _Flight, outcome: Outcome | None = None) -> None:
        """Send a chunk; after the `outcome` "missing" with all that its worker lacks."""
        chunk, place, ticket = flight.chunk, flight.place, next(self._tickets)
        body: bytes | None = self._programs[chunk.program]
        base = place.base() if outcome is None else outcome.have
        if outcome is None and place.knows(chunk.program, len(body or b"")):
            body = None
        else:
            place.sent.add(chunk.program)
        process = None if place.spot.alone else place.spot.process
        job = Job(
            self._run, chunk.program, chunk.kind, chunk.first, base, self.codec.definitions[base:], body,
            dict(self._known), process, PROCESS, chunk.notes,
        )  # fmt: skip
        self._flights[ticket] = flight
        place.tickets.append(ticket)
        self._begun = True
        self._carrier.send(ticket, place.spot.name, pack_job(job, chunk.segments))

    def _taken_back(self, ticket: int) -> _Flight | None:
        """The flight of a ticket, which is answered for now; None for one that nobody waits for."""
        flight = self._flights.pop(ticket, None)
        if flight is not None:
            flight.place.tickets.remove(ticket)
        return flight

    def _arrived(self, ticket: int, parcel: Sequence[bytes], replies: list[Reply]) -> None:
        flight = self._taken_back(ticket)
        if flight is None:
            return
        outcome, segments = open_outcome(parcel)
        if outcome.kind == "missing":
            self._send(flight, outcome)
            return
        flight.place.taken = False
        if outcome.kind == "refused":
            raise ExecutionError(f"a worker of the {self._carrier.engine} cluster refused a chunk: {outcome.text}")
        if outcome.kind == "stale":
            # Its process has ended, and the engine gave it to the one that came after it.
            replies.append(self._lost_reply(flight))
            return
        self._learn(flight, outcome)
        replies.append(self._reply(flight, outcome, writable(segments)))

    def _learn(self, flight: _Flight, outcome: Outcome) -> None:
        place, program = flight.place, flight.chunk.program
        place.heard[outcome.process] = max(outcome.have, place.heard.get(outcome.process, 0))
        place.programs.setdefault(program, set()).add(outcome.process)
        known = self._known.get(outcome.owner, 0)
        for body in outcome.definitions[known - outcome.base :]:
            self.codec.learn(body)
        if outcome.owner and outcome.definitions:
            self._known[outcome.owner] = max(known, outcome.base + len(outcome.definitions))
        for record in outcome.records:
            take_record(record)

    def _reply(self, flight: _Flight, outcome: Outcome, segments: Sequence[bytes | bytearray]) -> Reply:
        error = None if outcome.error is None else unpack_error(self.codec, outcome.error)
        hint = "the call goes on in its worker, which nothing can stop" if outcome.kind == "overdue" else ""
        return Reply(
            flight.chunk.seq, _KINDS[outcome.kind], outcome.done, outcome.step, outcome.seconds, segments,
            self._number(flight.place, outcome.pid),
            error=error, hint=hint, reading=_read(outcome), mishaps=outcome.mishaps, attempt=outcome.attempt,
        )  # fmt: skip

    def _failed(self, ticket: int, text: str, lost: bool, replies: list[Reply]) -> None:
        flight = self._taken_back(ticket)
        if flight is None:
            return
        flight.place.taken = False
        if not lost:
            engine = self._carrier.engine
            raise TransferError(f"{engine} could not run a chunk: {text}; is daglite installed on its workers?")
        replies.append(self._lost_reply(flight, text))

    def _lost_reply(self, flight: _Flight, hint: str = "") -> Reply:
        """Any chunk may have begun, also one behind another: that one's outcome may be what was lost on the way."""
        self._suspicious = True
        spot = flight.place.spot
        hint = hint or f"worker {spot.name} left the {self._carrier.engine} cluster"
        return Reply(flight.chunk.seq, "lost", worker=flight.place.number, started=True, hint=hint)

    def _number(self, place: _Place, pid: int) -> int:
        """What the loop calls this worker by."""
        if place.spot.alone:
            return pid
        while place.number is None:
            if self._numbered.setdefault(pid, place) is place:
                place.number = pid
            pid += _NEXT
        return place.number

    def _join(self, spot: Spot) -> None:
        if spot.name not in self._places:
            self._places[spot.name] = self._place(spot)
            self._tell(self._places[spot.name], None)

    def _leave(self, name: str, replies: list[Reply]) -> None:
        place = self._places.pop(name, None)
        if place is None:
            return
        self._tell(place, "died")
        if place.number is not None:
            del self._numbered[place.number]
        tickets = list(place.tickets)
        self._carrier.cancel(tickets)
        for ticket in tickets:
            flight = self._taken_back(ticket)
            assert flight is not None
            replies.append(self._lost_reply(flight))

    def _place(self, spot: Spot) -> _Place:
        place = _Place(spot)
        if spot.pid is not None:
            self._number(place, spot.pid)
        return place

    def _tell(self, place: _Place, why: EndedBy | None) -> None:
        if self._hear is not None and place.number is not None:
            self._hear(place.number, None, why)


def _load(place: _Place) -> float:
    return len(place.tickets) / place.spot.slots


def _read(outcome: Outcome) -> Reading | None:
    """What the clocks say; their beginning in the time of this machine."""
    if outcome.reading is None:
        return None
    began = time.perf_counter() - (time.time() - outcome.began)
    return replace(unpack_reading(outcome.reading), began=began)
