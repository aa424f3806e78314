"""Clusters started by the commands of their engines, as people start them."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from daglite.lazy import lazy
from tests.paths import ROOT

if TYPE_CHECKING:
    import distributed
else:
    # Where Ray is tested, Dask need not be installed.
    distributed = lazy("distributed")

__all__ = ["Commands", "dask_by_command"]

_PATIENCE = 60.0


class Commands:
    """Processes in a folder of their own; all end with it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        # What stands before the next command: where it runs, if not here.
        self.prefix: list[str] = []
        self.running: list[subprocess.Popen[bytes]] = []
        self._logs = 0
        self._ended = threading.Event()
        self._keeper: threading.Thread | None = None

    def start(self, module: str, *arguments: str, path: str = str(ROOT), **environment: str) -> subprocess.Popen[bytes]:
        """Start a module as a command; `path` is where it finds modules beside those that are installed."""
        log = self.folder / f"log{self._logs}.txt"
        self._logs += 1
        with log.open("wb") as out:
            self.running.append(
                subprocess.Popen(
                    [*self.prefix, sys.executable, "-m", module, *arguments],
                    cwd=self.folder,
                    env={**os.environ, "PYTHONPATH": path, **environment},
                    stdout=out,
                    stderr=subprocess.STDOUT,
                    start_new_session=True,
                )
            )
        return self.running[-1]

    def end(self) -> None:
        """Kill them, with all they have started."""
        self._ended.set()
        if self._keeper is not None:
            self._keeper.join()
        for process in self.running:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
        for process in self.running:
            process.wait()

    def scheduler(self, host: str = "127.0.0.1") -> str:
        """Start a scheduler of Dask; its address."""
        found = self.folder / f"scheduler{len(self.running)}.json"
        self.start("distributed.cli.dask_scheduler", "--host", host, "--port", "0", "--no-dashboard",
                   "--scheduler-file", str(found))  # fmt: skip
        until = time.monotonic() + _PATIENCE
        while not found.exists() or '"address"' not in (text := found.read_text()):
            assert time.monotonic() < until, "no scheduler"
            time.sleep(0.02)
        return text.partition('"address": "')[2].partition('"')[0]

    def worker(
        self, address: str, *options: str, host: str = "127.0.0.1", path: str = str(ROOT)
    ) -> subprocess.Popen[bytes]:
        """Start a worker of Dask."""
        return self.start("distributed.cli.dask_worker", address, "--host", host, "--no-dashboard",
                          "--nthreads", "1", "--memory-limit", "0", *options, path=path)  # fmt: skip

    def keep_workers(self, address: str, count: int) -> list[subprocess.Popen[bytes]]:
        """Start workers of Dask, and another one for each that dies; returns the list of those that run.

        Dask's nannies do that too. But one whose worker dies within moments of its start starts no other, and on a busy
        machine a test that kills workers is left with none.
        """
        kept: list[subprocess.Popen[bytes]] = []

        def keep() -> None:
            while not self._ended.wait(0.1):
                for process in [one for one in kept if one.poll() is not None]:
                    # Its id may be another's from now on.
                    self.running.remove(process)
                    kept.remove(process)
                    kept.append(self.worker(address, "--no-nanny"))

        kept += [self.worker(address, "--no-nanny") for _ in range(count)]
        self._keeper = threading.Thread(target=keep, name="keeper", daemon=True)
        self._keeper.start()
        return kept


@contextlib.contextmanager
def dask_by_command(folder: str, *, workers: int) -> Iterator[str]:
    """A scheduler and some workers; the address of the scheduler."""
    commands = Commands(Path(folder))
    try:
        address = commands.scheduler()
        commands.keep_workers(address, workers)
        with distributed.Client(address, set_as_default=False) as client:
            client.wait_for_workers(workers, timeout=_PATIENCE)
        yield address
    finally:
        commands.end()
