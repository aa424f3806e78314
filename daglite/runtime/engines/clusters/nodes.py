"""The bookkeeping of a cluster engine: what each node knows and has to do, and where each job runs."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from daglite.runtime.engines.base import CREDITS
from daglite.runtime.engines.clusters.transport import Endpoint
from daglite.runtime.kernel.work import WorkItem

# A program of at most this many bytes is sent with every job until its worker has answered one.
_SMALL_PROGRAM = 64 * 1024


class NodeState:
    """An endpoint with its jobs, and what its processes are known to have.

    `known_definitions` counts the coordinator's definitions that each process has; `programs` has the processes that
    have each program. A `reserved` node runs a quarantined item and takes nothing else.
    """

    def __init__(self, endpoint: Endpoint) -> None:
        self.endpoint = endpoint
        self.tickets: set[int] = set()
        self.reserved = False
        # The id by which the coordinator's loop knows the worker; unknown until its process id is.
        self.worker_id: int | None = None
        self.forget_run()

    def forget_run(self) -> None:
        """Assume that the processes have no definition or program of the next run."""
        self.known_definitions: dict[str, int] = {}
        self.programs: dict[int, set[str]] = {}
        self.sent_programs: set[int] = set()

    @property
    def _processes(self) -> int:
        return self.endpoint.slots if self.endpoint.pooled else 1

    @property
    def load(self) -> float:
        """Jobs per slot."""
        return len(self.tickets) / self.endpoint.slots

    def credits(self) -> int:
        """Return how many more jobs it may be given."""
        return 0 if self.reserved else max(0, CREDITS * self.endpoint.slots - len(self.tickets))

    def first_unknown(self) -> int:
        """Return the number of the first definition that some process here may lack."""
        known = self.known_definitions.values()
        return min(known) if len(known) >= self._processes else 0

    def has_program(self, program: int, size: int) -> bool:
        """Return whether a program need not be sent. When that is wrong, the worker asks for it."""
        if len(self.programs.get(program, ())) >= self._processes:
            return True
        return size > _SMALL_PROGRAM and program in self.sent_programs


class RemoteJob(NamedTuple):
    """A work item at a node. `partial_nodes` are the nodes of the partials that it combines."""

    work_item: WorkItem
    node: NodeState
    partial_nodes: Sequence[NodeState] = ()
