"""An engine that does what a test tells it and nothing else."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any, NamedTuple

from daglite.functions import describe
from daglite.runtime.engines.clusters.engine import ClusterEngine
from daglite.runtime.engines.clusters.messages import PROCESS, ClusterJob, open_job
from daglite.runtime.engines.clusters.transport import PLAIN, Endpoint, EventQueue, JobFinished, JobOptions
from daglite.runtime.engines.clusters.worker import JobResources, run_job
from daglite.runtime.engines.clusters.worker_state import drop_round
from daglite.runtime.kernel.steps import BoundStep
from daglite.runtime.kernel.work import WorkItem, WorkResult


class Sent(NamedTuple):
    """A parcel under way."""

    ticket: int
    spot: str
    message: Sequence[bytes]
    job_options: JobOptions = PLAIN

    @property
    def job(self) -> ClusterJob:
        return open_job(self.message)[0]


class Engine:
    """Keeps what it is sent until the test says what comes of it."""

    engine = "Test"
    rate = 1000.0

    def __init__(self, *spots: Endpoint) -> None:
        self.event_queue = EventQueue()
        self.sent: list[Sent] = []
        self.cancelled: list[int] = []
        self.dropped: list[str] = []
        self.parts: dict[int, list[bytes]] = {}
        self.marks: list[int] = []
        self.closed = 0
        self._spots = spots

    def spots(self) -> Sequence[Endpoint]:
        return self._spots

    def send(self, ticket: int, spot: str, message: Sequence[bytes], job_options: JobOptions = PLAIN) -> None:
        self.sent.append(Sent(ticket, spot, message, job_options))

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

        parts = [self.parts[ticket] for ticket in sent.job_options.parts]
        self.event_queue.post(
            JobFinished(sent.ticket, run_job(*sent.message, *parts, lent=JobResources(keep, self.marks.append)))
        )


ONE, TWO = Endpoint("one", 1, process=PROCESS, pid=11), Endpoint("two", 1, pid=22)


def made(fn: Any, **options: Any) -> BoundStep:
    """A step of a function of `x`."""
    return BoundStep(0, describe(fn, **options), (), ("x",))


def work_item(seq: int, program: int, session: ClusterEngine, *items: object, exclusive: bool = False) -> WorkItem:
    return WorkItem(seq, program, "batch", session.codec.pack([*items]), len(items), exclusive=exclusive)


def values(session: ClusterEngine, work_result: WorkResult) -> list[object]:
    return session.codec.unpack(work_result.segments)[0]
