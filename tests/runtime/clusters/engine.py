"""An engine that does what a test tells it and nothing else."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any, NamedTuple

from daglite.functions import describe
from daglite.runtime.chain import BoundStep
from daglite.runtime.clusters.carrier import PLAIN, Arrived, Mail, Spot, Wish
from daglite.runtime.clusters.parcels import PROCESS, Job, open_job
from daglite.runtime.clusters.rounds import drop_round
from daglite.runtime.clusters.runner import Lent, run_job
from daglite.runtime.clusters.session import ClusterSession
from daglite.runtime.executor import Chunk, Reply


class Sent(NamedTuple):
    """A parcel under way."""

    ticket: int
    spot: str
    parcel: Sequence[bytes]
    wish: Wish = PLAIN

    @property
    def job(self) -> Job:
        return open_job(self.parcel)[0]


class Engine:
    """Keeps what it is sent until the test says what comes of it."""

    engine = "Test"
    rate = 1000.0

    def __init__(self, *spots: Spot) -> None:
        self.mail = Mail()
        self.sent: list[Sent] = []
        self.cancelled: list[int] = []
        self.dropped: list[str] = []
        self.parts: dict[int, list[bytes]] = {}
        self.marks: list[int] = []
        self.closed = 0
        self._spots = spots

    def spots(self) -> Sequence[Spot]:
        return self._spots

    def send(self, ticket: int, spot: str, parcel: Sequence[bytes], wish: Wish = PLAIN) -> None:
        self.sent.append(Sent(ticket, spot, parcel, wish))

    def cancel(self, tickets: Collection[int]) -> None:
        self.cancelled += tickets

    def release(self, tickets: Collection[int]) -> None:
        for ticket in tickets:
            self.parts.pop(ticket, None)

    def drop(self, run: str) -> None:
        self.dropped.append(run)
        drop_round(run)

    def close(self) -> None:
        self.closed += 1

    def work(self, sent: Sent) -> None:
        """Do a job here, as a worker would."""

        def keep(segments: list[bytes]) -> bool:
            self.parts[sent.ticket] = segments
            return True

        parts = [self.parts[ticket] for ticket in sent.wish.parts]
        self.mail.post(Arrived(sent.ticket, run_job(*sent.parcel, *parts, lent=Lent(keep, self.marks.append))))


ONE, TWO = Spot("one", 1, process=PROCESS, pid=11), Spot("two", 1, pid=22)


def made(fn: Any, **options: Any) -> BoundStep:
    """A step of a function of `x`."""
    return BoundStep(0, describe(fn, **options), (), ("x",))


def chunk(seq: int, program: int, session: ClusterSession, *items: object, exclusive: bool = False) -> Chunk:
    return Chunk(seq, program, "batch", session.codec.pack([*items]), len(items), exclusive=exclusive)


def values(session: ClusterSession, reply: Reply) -> list[object]:
    return session.codec.unpack(reply.segments)[0]
