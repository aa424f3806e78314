"""A Dask cluster over several machines of a network."""

from __future__ import annotations

import contextlib
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import distributed

from daglite.runtime import Dask
from tests.engines.conformance.commands import Commands
from tests.faults.cuts.network import Network

__all__ = ["Machines", "machines"]


@dataclass
class Machines:
    """Machine 0 has the scheduler, the others a worker each."""

    network: Network
    commands: Commands
    address: str

    def dask(self) -> Dask:
        """The cluster as a runtime."""
        return Dask(self.address)


@contextlib.contextmanager
def machines() -> Iterator[Machines]:
    """Three machines, the cluster on them ready."""
    with tempfile.TemporaryDirectory() as folder, Network(3).up() as network:
        commands = Commands(Path(folder))
        try:
            commands.prefix = network.prefix(0)
            address = commands.scheduler(network.addresses[0])
            for number in (1, 2):
                commands.prefix = network.prefix(number)
                commands.worker(address, host=network.addresses[number])
            with distributed.Client(address, set_as_default=False) as client:
                client.wait_for_workers(2, timeout=60)
            yield Machines(network, commands, address)
        finally:
            commands.end()
