"""Machines that are network namespaces: each has an address, and a cable that can be pulled."""

from __future__ import annotations

import contextlib
import os
import subprocess
from collections.abc import Iterator

__all__ = ["Network"]


class Network:
    """A bridge, and a namespace for each machine. Root only."""

    def __init__(self, machines: int) -> None:
        self._bridge = f"dgl{os.getpid()}"
        self._names = [f"{self._bridge}-{number}" for number in range(machines)]
        # Another run of these tests has a network of its own.
        net = f"10.213.{os.getpid() % 250}"
        self._here = f"{net}.1"
        self.addresses = [f"{net}.{number + 2}" for number in range(machines)]

    @contextlib.contextmanager
    def up(self) -> Iterator[Network]:
        """While it is up."""
        try:
            _ip("link", "add", self._bridge, "type", "bridge")
            _ip("address", "add", f"{self._here}/24", "dev", self._bridge)
            _ip("link", "set", self._bridge, "up")
            for number, name in enumerate(self._names):
                self._plug(number, name)
            yield self
        finally:
            for number, name in enumerate(self._names):
                # By itself the cable would go some time after the machine.
                subprocess.run(["ip", "link", "delete", self._end(number)], check=False, capture_output=True)
                subprocess.run(["ip", "netns", "delete", name], check=False, capture_output=True)
            subprocess.run(["ip", "link", "delete", self._bridge], check=False, capture_output=True)

    def prefix(self, machine: int) -> list[str]:
        """What to put before a command so that it runs on a machine."""
        return ["ip", "netns", "exec", self._names[machine]]

    def pids(self, machine: int) -> list[int]:
        """What runs on it."""
        told = subprocess.run(
            ["ip", "netns", "pids", self._names[machine]], check=False, capture_output=True, text=True
        )
        return [int(pid) for pid in told.stdout.split()]

    def cut(self, machine: int) -> None:
        """Pull its cable: nobody is told, packets are lost."""
        _ip("-n", self._names[machine], "link", "set", "eth", "down")

    def heal(self, machine: int) -> None:
        """Plug it in again."""
        _ip("-n", self._names[machine], "link", "set", "eth", "up")

    def _end(self, number: int) -> str:
        """The near end of a cable."""
        return f"{self._bridge}v{number}"

    def _plug(self, number: int, name: str) -> None:
        end = self._end(number)
        _ip("netns", "add", name)
        _ip("link", "add", end, "type", "veth", "peer", "name", "eth", "netns", name)
        _ip("link", "set", end, "master", self._bridge)
        _ip("link", "set", end, "up")
        _ip("-n", name, "address", "add", f"{self.addresses[number]}/24", "dev", "eth")
        _ip("-n", name, "link", "set", "lo", "up")
        _ip("-n", name, "link", "set", "eth", "up")


def _ip(*arguments: str) -> None:
    done = subprocess.run(["ip", *arguments], check=False, capture_output=True, text=True)
    if done.returncode:
        raise OSError(f"ip {' '.join(arguments)}: {done.stderr.strip()}")
