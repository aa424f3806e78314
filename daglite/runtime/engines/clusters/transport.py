"""What an engine must do for a session: carry parcels to workers and bring back what comes of them."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from queue import Empty, SimpleQueue
from types import MappingProxyType
from typing import NamedTuple, Protocol, TypeAlias

from daglite.runtime.engines.clusters.messages import Parcel


class Endpoint(NamedTuple):
    """Where parcels can be sent: a worker process, or all of an engine that chooses among them for itself.

    `slots` jobs run there at once. `alone`: a job whose process dies is lost with nobody beside it, and each process
    has one slot. `process` is its name of `parcels.PROCESS`, where that is known.
    """

    name: str
    slots: int
    alone: bool = False
    process: str | None = None
    pid: int | None = None


class JobOptions(NamedTuple):
    """What a parcel needs of its engine besides.

    A part that comes of it may stay with the workers (`keeps`); its worker will say at which step it is (`marks`); it
    works on the `parts` that came of these tickets.
    """

    keeps: bool = False
    marks: bool = False
    parts: Sequence[int] = ()


PLAIN = JobOptions()
_NO_STEPS: Mapping[int, int] = MappingProxyType({})


class JobFinished(NamedTuple):
    """The outcome of a ticket; with `marks` also the `step` at which its worker was, -1 for none."""

    ticket: int
    message: Parcel
    step: int = -1


class JobFailed(NamedTuple):
    """The engine could not bring an outcome: `lost` when the process that had it is gone, `missing` when it could not
    even begin because a part that it needs is gone. `step` as in `JobFinished`.
    """

    ticket: int
    text: str
    lost: bool
    step: int = -1
    missing: bool = False


class NodeJoined(NamedTuple):
    """A worker is there that was not."""

    spot: Endpoint


class NodeLeft(NamedTuple):
    """A worker is gone, with all that it had; `steps` are those at which it was with tickets that asked for marks."""

    name: str
    steps: Mapping[int, int] = _NO_STEPS


class EngineLost(NamedTuple):
    """The engine itself is gone."""

    text: str


Event: TypeAlias = JobFinished | JobFailed | NodeJoined | NodeLeft | EngineLost


class EventQueue:
    """Events on their way from the engine's threads to the coordinator."""

    def __init__(self) -> None:
        self._queue: SimpleQueue[Event | None] = SimpleQueue()
        # Wakes whoever waits elsewhere for what comes here.
        self.alerted: Callable[[], None] | None = None

    def post(self, event: Event | None) -> None:
        """Leave an event; None wakes whoever waits, for nothing."""
        self._queue.put(event)
        # Read once: the coordinator may change it.
        alerted = self.alerted
        if alerted is not None:
            alerted()

    def take(self, timeout: float | None) -> list[Event]:
        """The events that are here, waiting up to `timeout` seconds (None: until there is one)."""
        if timeout == 0.0 and self._queue.empty():
            return []
        try:
            found = [self._queue.get(timeout=timeout)]
        except Empty:
            return []
        # Nobody else takes from it.
        found += [self._queue.get() for _ in range(self._queue.qsize())]
        return [event for event in found if event is not None]


class Transport(Protocol):
    """An engine. All calls come from one thread at a time; none of them waits long."""

    engine: str
    # How many chunks a second its coordinator side stands (docs/decisions/0022).
    rate: float
    event_queue: EventQueue

    def spots(self) -> Sequence[Endpoint]:
        """Where parcels can be sent now; changes come by mail."""
        ...

    def send(self, ticket: int, spot: str, message: Parcel, job_options: JobOptions = PLAIN) -> None:
        """Have `runner.run_job` called with the parcel, once; what comes of it is posted under the ticket.

        Raises `ExecutionError` when the engine is gone.
        """
        ...

    def cancel(self, tickets: Collection[int]) -> None:
        """Nobody waits for these any more; those that have not begun must not begin."""
        ...

    def release(self, tickets: Collection[int]) -> None:
        """Nobody needs the parts any more that stayed with the workers under these tickets."""
        ...

    def drop(self, run: str) -> None:
        """Make the workers forget a run, and end what they do for it after the item they are at."""
        ...

    def close(self) -> None:
        """Give back whatever was opened for this carrier, and nothing else."""
        ...


def words_of(error: BaseException) -> str:
    """What went wrong, in one line."""
    lines = f"{type(error).__name__}: {error}".splitlines()
    return lines[0][:500]
