"""How long a run takes to end, once something ends it: the guarantees say "within a second".

Each kind of end comes while the workers hold items that would take for ever: asleep, busy in Python, or in C code that
keeps the interpreter for itself. What is measured ends when `run` has raised, or the consumer goes on, or (Ctrl-C,
SIGKILL) when the program and its workers are gone.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import itertools
import os
import platform
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import daglite
from daglite import task
from daglite.run_options import RunOptions

HOLDS = ("asleep", "in Python", "in C")
PATIENCE = 30.0
Measure = Callable[[str, str, RunOptions], float]


class Refused(ValueError):
    """What the first item raises; it carries the moment."""


@task
def numbers() -> Iterator[int]:
    """0, 1, 2, ..."""
    yield from itertools.count()


@task
def hold(x: int, how: str, folder: str, refuse: bool) -> int:
    """Never comes back, except from the first item: when the second is held, that one returns or raises."""
    if x == 0:
        wait_for(folder, [1])
        if refuse:
            raise Refused(time.monotonic())
        return x
    Path(folder, f"{x}.new").write_text(str(os.getpid()))
    os.replace(Path(folder, f"{x}.new"), Path(folder, str(x)))
    if how == "asleep":
        time.sleep(600)
    elif how == "in C":
        pow(7, 10**9, 10**400_000 + 1)
    while True:
        pass


def wait_for(folder: str, items: Sequence[int]) -> list[int]:
    """The workers that hold these items, once they all do."""
    paths, until = [Path(folder, str(item)) for item in items], time.monotonic() + PATIENCE
    while not all(path.exists() for path in paths):
        if time.monotonic() > until:
            raise TimeoutError("the workers did not come so far")
        time.sleep(0.001)
    return [int(path.read_text()) for path in paths]


def holding(how: str, folder: str, *, refuse: bool = False) -> daglite.Plan[list[int]]:
    """A plan whose workers all come to hold an item."""
    return daglite.compile(numbers.iter().then(hold, how=how, folder=folder, refuse=refuse), max_batch_size=1)


# Each of these runs once and gives the seconds from the cause to the end.


def error(how: str, folder: str, options: RunOptions) -> float:
    """A task raises, and others hold later items."""
    try:
        holding(how, folder, refuse=True).run(**options)
    except Refused as refused:
        return time.monotonic() - float(refused.args[0])
    raise AssertionError("no error")


def left(how: str, folder: str, options: RunOptions) -> float:
    """A consumer of a stream breaks out of its loop."""
    began = 0.0
    for _ in holding(how, folder).stream(**options):
        began = time.monotonic()
        break
    return time.monotonic() - began


def cancelled(how: str, folder: str, options: RunOptions) -> float:
    """`run_async` is cancelled."""

    async def main() -> float:
        running = asyncio.ensure_future(holding(how, folder).run_async(**options))
        await asyncio.to_thread(wait_for, folder, [1, 2])
        began = time.monotonic()
        running.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await running
        return time.monotonic() - began

    return asyncio.run(main())


def interrupted(how: str, folder: str, options: RunOptions) -> float:
    """Ctrl-C at a terminal: SIGINT to the whole group."""
    return ended_by(lambda pid: os.killpg(pid, signal.SIGINT), how, folder, options)


def killed(how: str, folder: str, options: RunOptions) -> float:
    """SIGKILL of the coordinator alone."""
    return ended_by(lambda pid: os.kill(pid, signal.SIGKILL), how, folder, options)


def ended_by(end: Callable[[int], None], how: str, folder: str, options: RunOptions) -> float:
    """A program of its own whose workers hold an item each is ended from outside."""
    command = [sys.executable, __file__, "--hold", how, folder, str(options.get("start_method", "auto"))]
    program = subprocess.Popen(command, start_new_session=True, stderr=subprocess.DEVNULL)
    try:
        workers = wait_for(folder, [1, 2])
        began = time.monotonic()
        end(program.pid)
        program.wait(PATIENCE)
        while any(map(alive, workers)):
            if time.monotonic() - began > PATIENCE:
                raise TimeoutError("workers are left")
            time.sleep(0.001)
        return time.monotonic() - began
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(program.pid, signal.SIGKILL)
        program.wait()


def alive(pid: int) -> bool:
    """Whether it runs; one that has ended and waits for whoever adopted it does not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


MEASURES: dict[str, Measure] = {
    "an error": error,
    "break out of a stream": left,
    "cancelled run_async": cancelled,
    "Ctrl-C": interrupted,
    "SIGKILL of the coordinator": killed,
}


def measured(measure: Measure, how: str, times: int, options: RunOptions) -> list[float]:
    """The seconds of so many runs."""
    seconds = []
    for _ in range(times):
        with tempfile.TemporaryDirectory(prefix="endings-") as folder:
            seconds.append(measure(how, folder, options))
    return seconds


def main(arguments: Sequence[str] | None = None) -> int:
    """The command."""
    parser = argparse.ArgumentParser(description="How long runs take to end.")
    parser.add_argument("--quick", action="store_true", help="fewer runs of each kind")
    parser.add_argument("--times", type=int, default=20, help="runs of each kind")
    parser.add_argument("--start-method", choices=["auto", "fork", "forkserver", "spawn"], default="auto")
    parser.add_argument("--hold", nargs=3, help=argparse.SUPPRESS)
    given = parser.parse_args(arguments)
    if given.hold:
        how, folder, method = given.hold
        holding(how, folder).run(workers=2, start_method=method)
    times = 3 if given.quick else given.times
    options: RunOptions = {"workers": 2, "start_method": given.start_method}
    processors = len(os.sched_getaffinity(0))
    print(f"{times} runs each, 2 workers, start method {given.start_method}, Python {platform.python_version()},")
    print(f"{processors} processors, load {os.getloadavg()[0]:.1f}\n")
    print(f"{'ended by':28} {'workers':10} {'median':>9} {'most':>9}")
    worst = 0.0
    for name, measure in MEASURES.items():
        for how in HOLDS:
            seconds = measured(measure, how, times, options)
            worst = max(worst, *seconds)
            middle = 1000 * statistics.median(seconds)
            print(f"{name:28} {how:10} {middle:6.0f} ms {1000 * max(seconds):6.0f} ms", flush=True)
    print(f"\nnothing took longer than {worst:.2f} s")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
