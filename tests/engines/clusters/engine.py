"""A transport whose jobs end when a test says so."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any, NamedTuple

from daglite.functions import describe
from daglite.runtime.engines.clusters.engine import ClusterEngine
from daglite.runtime.engines.clusters.messages import PROCESS, ClusterJob, unpack_job
from daglite.runtime.engines.clusters.transport import PLAIN, Endpoint, EventQueue, JobFinished, JobOptions
from daglite.runtime.engines.clusters.worker import JobResources, run_job
from daglite.runtime.engines.clusters.worker_state import drop_run
from daglite.runtime.kernel.bound_step import BoundStep
from daglite.runtime.kernel.work import WorkItem, WorkResult


class Sent(NamedTuple):
    """A job in flight."""

    ticket: int
    endpoint: str
    message: Sequence[bytes]
    job_options: JobOptions = PLAIN

    @property
    def job(self) -> ClusterJob:
        return unpack_job(self.message)[0]


class FakeTransport:
    """Keeps the jobs that it is sent until the test has one done, or posts another event."""

    name = "Test"
    rate = 1000.0

    def __init__(self, *endpoints: Endpoint) -> None:
        self.event_queue = EventQueue()
        self.sent: list[Sent] = []
        self.cancelled: list[int] = []
        self.dropped: list[str] = []
        self.parts: dict[int, list[bytes]] = {}
        self.steps: list[int] = []
        self.closed = 0
        self.endpoints: Sequence[Endpoint] = endpoints

    def send(self, ticket: int, endpoint: str, message: Sequence[bytes], job_options: JobOptions = PLAIN) -> None:
        self.sent.append(Sent(ticket, endpoint, message, job_options))

    def cancel(self, tickets: Collection[int]) -> None:
        self.cancelled += tickets

    def release(self, tickets: Collection[int]) -> None:
        for ticket in tickets:
            self.parts.pop(ticket, None)

    def drop(self, run: str) -> None:
        self.dropped.append(run)
        drop_run(run)

    def close(self) -> None:
        self.closed += 1

    def work(self, sent: Sent) -> None:
        """Do a job here, as a worker would."""

        def keep(segments: list[bytes]) -> bool:
            self.parts[sent.ticket] = segments
            return True

        parts = [self.parts[ticket] for ticket in sent.job_options.partials]
        self.event_queue.post(
            JobFinished(sent.ticket, run_job(*sent.message, *parts, resources=JobResources(keep, self.steps.append)))
        )


ONE, TWO = Endpoint("one", 1, process=PROCESS, pid=11), Endpoint("two", 1, pid=22)


def made(fn: Any, **options: Any) -> BoundStep:
    """A step of a function of `x`."""
    return BoundStep(0, describe(fn, **options), (), ("x",))


def work_item(seq: int, program: int, engine: ClusterEngine, *items: object, exclusive: bool = False) -> WorkItem:
    return WorkItem(seq, program, "batch", engine.codec.pack([*items]), len(items), exclusive=exclusive)


def values(engine: ClusterEngine, work_result: WorkResult) -> list[object]:
    return engine.codec.unpack(work_result.payload)[0]
