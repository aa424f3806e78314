"""What a session knows of the places that it sends chunks to, and of each chunk under way. Pure bookkeeping."""

from __future__ import annotations

from collections.abc import Sequence

from daglite.runtime.engines.base import CREDITS
from daglite.runtime.engines.clusters.transport import Endpoint
from daglite.runtime.kernel.work import WorkItem

# A program of this size at most goes with every chunk until its worker has answered to one.
_SMALL = 64 * 1024


class NodeState:
    """A spot as the session sees it. `heard` are the processes that answered, with the definitions they know."""

    def __init__(self, spot: Endpoint) -> None:
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
        return 0 if self.taken else max(0, CREDITS * self.spot.slots - len(self.tickets))

    def base(self) -> int:
        """How many definitions every process here is known to have."""
        return min(self.heard.values()) if len(self.heard) >= self.width else 0

    def knows(self, program: int, size: int) -> bool:
        """Whether a program need not be sent: if that is wrong, the worker says so."""
        if len(self.programs.get(program, ())) >= self.width:
            return True
        return size > _SMALL and program in self.sent


class RemoteJob:
    """A chunk under way. `at` are the places of the parts that it is to put together."""

    def __init__(self, work_item: WorkItem, place: NodeState, at: Sequence[NodeState] = ()) -> None:
        self.work_item = work_item
        self.place = place
        self.at = at

    def gone(self, place: NodeState) -> list[int]:
        """The numbers of the parts that are gone with a place."""
        return [number for number, one in enumerate(self.at) if one is place]
