"""A Dask cluster that is started by its commands."""

from __future__ import annotations

import os
import time
from collections.abc import Mapping
from typing import Any

import distributed

from tests.engines.conformance.commands import Commands


class Cluster:
    """A scheduler, its workers, and somebody who looks at them."""

    def __init__(self, commands: Commands, workers: int) -> None:
        self.commands = commands
        self.address = commands.scheduler()
        self.scheduler = commands.running[-1]
        commands.keep_workers(self.address, workers)
        self.client = distributed.Client(self.address, set_as_default=False)
        self.client.wait_for_workers(workers, timeout=30)

    def pids(self) -> Mapping[str, object]:
        """The process ids of the workers, by address."""
        return self.client.run(os.getpid)

    def empty_within(self, seconds: float) -> bool:
        """Whether the scheduler knows of no task any more, after some time."""
        until = time.monotonic() + seconds
        while left := self.client.run_on_scheduler(tasks_of):
            if time.monotonic() > until:
                print(left)
                return False
            time.sleep(0.02)
        return True

    def tell(self) -> None:
        """Print what the scheduler and its workers know of tasks: of a test that hangs nothing else would tell."""
        print("scheduler:", self.client.run_on_scheduler(states_of))
        print("workers:", self.client.run(states_at, on_error="return"))


def tasks_of(dask_scheduler: distributed.Scheduler) -> list[str]:
    return [*dask_scheduler.tasks]


def states_of(dask_scheduler: Any) -> list[str]:
    # Dask's own types know nothing of what a task of its scheduler, or of a worker, holds.
    return [f"{key}: {found.state} at {found.processing_on}" for key, found in dask_scheduler.tasks.items()]


def states_at(dask_worker: Any) -> list[str]:
    return [f"{key}: {found.state}, before {found.previous}" for key, found in dask_worker.state.tasks.items()]
