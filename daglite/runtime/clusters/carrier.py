"""What an engine must do for a session: carry parcels to workers and bring back what comes of them."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from queue import Empty, SimpleQueue
from typing import NamedTuple, Protocol, TypeAlias

from daglite.runtime.clusters.parcels import Parcel

__all__ = ["Arrived", "Broken", "Carrier", "Event", "Failed", "Joined", "Left", "Mail", "Spot", "words_of"]


class Spot(NamedTuple):
    """Where parcels can be sent: a worker process, or all of an engine that chooses among them for itself.

    `slots` jobs run there at once. `alone`: a job whose process dies is lost with nobody beside it, and each process
    has one slot. `process` is its name of `parcels.PROCESS`, where that is known.
    """

    name: str
    slots: int
    alone: bool = False
    process: str | None = None
    pid: int | None = None


class Arrived(NamedTuple):
    """The outcome of a ticket."""

    ticket: int
    parcel: Parcel


class Failed(NamedTuple):
    """The engine could not bring an outcome: `lost` when the process that had it is gone."""

    ticket: int
    text: str
    lost: bool


class Joined(NamedTuple):
    """A worker is there that was not."""

    spot: Spot


class Left(NamedTuple):
    """A worker is gone, with all that it had."""

    name: str


class Broken(NamedTuple):
    """The engine itself is gone."""

    text: str


Event: TypeAlias = Arrived | Failed | Joined | Left | Broken


class Mail:
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


class Carrier(Protocol):
    """An engine. All calls come from one thread at a time; none of them waits long."""

    engine: str
    # How many chunks a second its coordinator side stands (docs/decisions/0022).
    rate: float
    mail: Mail

    def spots(self) -> Sequence[Spot]:
        """Where parcels can be sent now; changes come by mail."""
        ...

    def send(self, ticket: int, spot: str, parcel: Parcel) -> None:
        """Have `runner.run_job` called with the parcel, once; what comes of it is posted under the ticket.

        Raises `ExecutionError` when the engine is gone.
        """
        ...

    def cancel(self, tickets: Collection[int]) -> None:
        """Nobody waits for these any more; those that have not begun must not begin."""
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
