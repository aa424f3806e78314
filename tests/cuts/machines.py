"""A Dask cluster over several machines of a network, and what was seen of a run while something happened to it."""

from __future__ import annotations

import contextlib
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import distributed

from daglite import Plan, compile, task
from daglite.runtime import Dask
from tests.conformance.commands import Commands
from tests.cuts.network import Network

__all__ = ["Machines", "Seen", "machines", "watch", "work"]


@dataclass
class Machines:
    """Machine 0 has the scheduler, the others a worker each."""

    network: Network
    commands: Commands
    address: str


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


def work(n: int) -> Plan[list[int]]:
    """Items of 20 ms, in batches of at most five."""

    @task
    def count(n: int) -> Iterator[int]:
        yield from range(n)

    @task
    def slow(x: int) -> int:
        time.sleep(0.02)
        return x

    return compile(count.iter(n=n).then(slow), batch=5)


@dataclass
class Seen:
    """The items that came, the longest time without one, all of the time, and the error if there was one."""

    items: list[int] = field(default_factory=list)
    gap: float = 0.0
    seconds: float = 0.0
    error: Exception | None = None


def watch(plan: Plan[list[int]], address: str, event: Callable[[], None], *, ordered: bool = True) -> Seen:
    """Stream a plan, and have something happen after its tenth item, beside it."""
    seen, beside = Seen(), threading.Thread(target=event)
    began = last = time.monotonic()
    try:
        with Dask(address) as dask, plan.stream(runtime=dask, ordered=ordered) as items:
            for item in items:
                now = time.monotonic()
                seen.items.append(item)
                if len(seen.items) == 10:
                    beside.start()
                elif len(seen.items) > 10:
                    seen.gap = max(seen.gap, now - last)
                last = now
    except Exception as error:
        seen.error = error
    seen.seconds = time.monotonic() - began
    beside.join()
    return seen
