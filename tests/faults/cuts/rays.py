"""A Ray cluster over several machines of a network, with a program on one of them that streams a plan."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from tests.engines.conformance.commands import Commands
from tests.faults.cuts.network import Network
from tests.faults.cuts.ray_program import TOLD

__all__ = ["HEAD", "Outcome", "Rays", "WORKER", "rays"]

# Which machine is which: there is another worker behind the first, and the program has a machine of its own.
HEAD, WORKER, _PROGRAM = 0, 1, 3
_PORT = 6379
_PATIENCE, _LEAVING = 90.0, 10.0
# No token is asked for between machines that are one.
_QUIET = {"RAY_USAGE_STATS_ENABLED": "0", "RAY_AUTH_MODE": "disabled"}
# Each machine keeps the files of its node to itself.
_OWN = ["sh", "-c", 'mkdir -p /tmp/ray && mount -t tmpfs tmpfs /tmp/ray && exec "$@"', "sh"]
# What a process is called while it runs one of our jobs.
_JOBS = ("ray::run_job", "ray::_work")
_STORE = str(100 * 1024 * 1024)


@dataclass
class Outcome:
    """What the program tells of its run."""

    items: list[int]
    gap: float
    seconds: float
    error: str | None


@dataclass
class Rays:
    """A head without processors, two workers, and a node without processors for the program."""

    network: Network
    commands: Commands
    address: str
    home: subprocess.Popen[bytes]

    def run(self, plan: str, items: int, event: Callable[[], None] | None, *, limit: float = 400.0) -> Outcome:
        """Run a plan of `tests.faults.cuts.ray_program`, and have something happen when ten items have come."""
        self.commands.prefix = ["nsenter", "-t", str(self.home.pid), "-m", "-n"]
        log = self.commands.folder / f"log{len(self.commands.running)}.txt"
        program = self.commands.start("tests.faults.cuts.ray_program", self.address, plan, str(items), **_QUIET)
        until = time.monotonic() + limit
        try:
            _found("ten items", log, program, until)
            if event is not None:
                event()
            told = _found(TOLD, log, program, until)
            # A program whose head is gone takes minutes to leave it.
            with contextlib.suppress(subprocess.TimeoutExpired):
                program.wait(_LEAVING)
        finally:
            program.kill()
        assert told is not None, f"the program was ended: {log.read_text()}"
        return Outcome(**json.loads(told))

    def pids(self, machine: int) -> list[int]:
        """The processes of a machine."""
        return self.network.pids(machine)

    def jobs(self, machine: int) -> list[int]:
        """Its processes that are running a task now."""
        return [pid for pid in self.pids(machine) if _command(pid).startswith(_JOBS)]

    def crash(self, machine: int) -> None:
        """Kill all that runs on it."""
        for pid in self.pids(machine):
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)


@contextlib.contextmanager
def rays() -> Iterator[Rays]:
    """Four machines, the cluster on them ready."""
    with tempfile.TemporaryDirectory() as folder, Network(4).up() as network:
        commands = Commands(Path(folder))
        address = f"{network.addresses[HEAD]}:{_PORT}"
        try:
            for number, host in enumerate(network.addresses):
                commands.prefix = [*network.prefix(number), *_OWN]
                joins = ["--head", "--port", str(_PORT), "--include-dashboard=false"]
                if number != HEAD:
                    joins = ["--address", address]
                processors = "0" if number in (HEAD, _PROGRAM) else "1"
                node = commands.start(
                    "ray.scripts.scripts", "start", "--block", "--node-ip-address", host, "--num-cpus", processors,
                    "--object-store-memory", _STORE, *joins, **_QUIET,
                )  # fmt: skip
                log = Path(folder) / f"log{number}.txt"
                if _found("Ray runtime started", log, node, time.monotonic() + _PATIENCE) is None:
                    raise OSError(f"a node of Ray has ended: {log.read_text()}")
            yield Rays(network, commands, address, node)
        finally:
            commands.end()
            for number in range(len(network.addresses)):
                for pid in network.pids(number):
                    with contextlib.suppress(ProcessLookupError):
                        os.kill(pid, signal.SIGKILL)


def _found(text: str, log: Path, process: subprocess.Popen[bytes], until: float) -> str | None:
    """Wait for a line in a log; what follows the text there, or None when the process has ended without it."""
    while True:
        over = process.poll() is not None
        head, found, rest = log.read_text().partition(text)
        if found and "\n" in rest:
            return rest.partition("\n")[0]
        if over:
            return None
        assert time.monotonic() < until, head
        time.sleep(0.02)


def _command(pid: int) -> str:
    with contextlib.suppress(OSError):
        return Path(f"/proc/{pid}/cmdline").read_text()
    return ""
