"""The protocol between the cluster engine and a cluster library: jobs go to endpoints, events come back in a queue.

ClusterEngine --send(ticket, endpoint, message)--> Transport ~~ network ~~ worker.run_job
ClusterEngine <-- JobFinished, JobFailed, NodeJoined, NodeLeft, EngineLost -- EventQueue <-- Transport
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from queue import Empty, SimpleQueue
from types import MappingProxyType
from typing import NamedTuple, Protocol, TypeAlias

from daglite.runtime.engines.clusters.messages import Message


class Endpoint(NamedTuple):
    """An address for jobs: one worker process with `slots` threads, or a pool of `slots` worker processes.

    In a pool the cluster chooses the process of each job, and a process that dies takes one job with it. `process`
    is the name of the one process (`messages.PROCESS`) and `pid` its process id, where they are known.
    """

    name: str
    slots: int
    pooled: bool = False
    process: str | None = None
    pid: int | None = None


class JobOptions(NamedTuple):
    """The services of the transport that a job needs.

    `keeps_partial`: its partial may stay with the workers. `reports_step`: its worker reports the step that it runs, so
    that the step is known when the worker dies. `partials`: the tickets of the partials that it combines.
    """

    keeps_partial: bool = False
    reports_step: bool = False
    partials: Sequence[int] = ()


PLAIN = JobOptions()


class JobFinished(NamedTuple):
    """A job has returned an outcome. `step` is the last step that its worker reported, -1 for none."""

    ticket: int
    message: Message
    step: int = -1


class JobFailed(NamedTuple):
    """A job has returned no outcome.

    `lost`: the worker or its connection is gone; otherwise no worker can run it. `partials_lost`: the job did not start
    because a partial that it needs is gone. `step` as in `JobFinished`.
    """

    ticket: int
    text: str
    lost: bool
    step: int = -1
    partials_lost: bool = False


class NodeJoined(NamedTuple):
    """There is a new endpoint."""

    endpoint: Endpoint


class NodeLeft(NamedTuple):
    """An endpoint is gone, with its jobs and partials. `steps` has the last reported step of jobs, by ticket."""

    name: str
    steps: Mapping[int, int] = MappingProxyType({})


class EngineLost(NamedTuple):
    """The connection to the cluster is gone."""

    text: str


Event: TypeAlias = JobFinished | JobFailed | NodeJoined | NodeLeft | EngineLost


class EventQueue:
    """The events of a transport: any thread posts, the coordinator takes."""

    def __init__(self) -> None:
        self._queue: SimpleQueue[Event | None] = SimpleQueue()
        # Called after each post, when the coordinator waits elsewhere.
        self.on_post: Callable[[], None] | None = None

    def post(self, event: Event | None) -> None:
        """Add an event; None only ends a wait."""
        self._queue.put(event)
        # Read once: the coordinator may change it.
        on_post = self.on_post
        if on_post is not None:
            on_post()

    def take(self, timeout: float | None) -> list[Event]:
        """Remove and return all events; wait for the first up to `timeout` seconds, or without limit if None."""
        if timeout == 0.0 and self._queue.empty():
            return []
        try:
            found = [self._queue.get(timeout=timeout)]
        except Empty:
            return []
        # There is no other consumer.
        found += [self._queue.get() for _ in range(self._queue.qsize())]
        return [event for event in found if event is not None]


class Transport(Protocol):
    """The connection to a cluster. All calls come from one thread at a time and return soon."""

    # The name of the cluster library, for error messages.
    name: str
    # Jobs per second that the coordinator side of the library sustains (docs/decisions/0022).
    rate: float
    event_queue: EventQueue
    # The endpoints at the start; later ones are events.
    endpoints: Sequence[Endpoint]

    def send(self, ticket: int, endpoint: str, message: Message, job_options: JobOptions = PLAIN) -> None:
        """Call `worker.run_job` with the message, once, at an endpoint; its outcome is posted under the ticket.

        Raises `ExecutionError` when the cluster is gone.
        """
        ...

    def cancel(self, tickets: Collection[int]) -> None:
        """Discard the outcomes of these jobs; those that have not started do not start."""
        ...

    def release(self, tickets: Collection[int]) -> None:
        """Delete the partials that jobs with these tickets left with the workers."""
        ...

    def drop(self, run: str) -> None:
        """Make the workers forget a run, and end its jobs after the item that they are at."""
        ...

    def close(self) -> None:
        """Close whatever was opened for this transport, and nothing else."""
        ...


def error_line(error: BaseException) -> str:
    """Return an error as one line of at most 500 characters."""
    return f"{type(error).__name__}: {error}".splitlines()[0][:500]
