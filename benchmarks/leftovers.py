"""What runs leave behind: processes, threads, descriptors, shared memory and files, before and after many runs.

Some runs return, some raise (in the source, in a task, in the fold), some streams are left early or forgotten.
"""

from __future__ import annotations

import argparse
import itertools
import os
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import daglite
from daglite import task
from daglite.options import RunOptions

PROC = Path("/proc")
PATIENCE = 2.0
# One of each for the whole interpreter, started when first needed.
SERVANTS = (b"forkserver", b"resource_tracker")


@task
def numbers(n: int, last: int = -1) -> Iterator[int]:
    """0, 1, 2, ...; breaks behind `last`."""
    for number in range(n):
        yield number
        if number == last:
            raise ValueError("the source breaks")


@task
def double(x: int) -> int:
    """2x."""
    return x * 2


@task
def fragile(x: int) -> int:
    """Breaks at one item."""
    if x == 17:
        raise ValueError("a task breaks")
    return x


@task
def blob(x: int) -> bytes:
    """A result large enough to be a buffer of its own on the way."""
    return bytes(100_000 + x)


@task
def add(total: int, item: int) -> int:
    """A sum; breaks when it is given -1."""
    if total < 0 and item == 34:
        raise ValueError("the fold breaks")
    return total + item


def returns(options: RunOptions) -> None:
    """A run to the end."""
    numbers.iter(n=50).then(double).reduce(add, initial=0).run(**options)


def returns_much(options: RunOptions) -> None:
    """A run with large results."""
    numbers.iter(n=10).then(blob).run(**options)


def source_raises(options: RunOptions) -> None:
    """The generator breaks."""
    numbers.iter(n=50, last=20).then(double).run(**options)


def task_raises(options: RunOptions) -> None:
    """A task breaks while other items are under way."""
    numbers.iter(n=50).then(fragile).run(**options)


def fold_raises(options: RunOptions) -> None:
    """The fold breaks."""
    numbers.iter(n=50).then(double).reduce(add, initial=-10_000).run(**options)


def stream_left(options: RunOptions) -> None:
    """A consumer takes three items of many."""
    with daglite.compile(numbers.iter(n=1000).then(double)).stream(**options) as items:
        list(itertools.islice(items, 3))


def stream_forgotten(options: RunOptions) -> None:
    """A consumer takes one item and drops the rest, closing nothing."""
    next(daglite.compile(numbers.iter(n=1000).then(double)).stream(**options))


ENDINGS: list[Callable[[RunOptions], None]] = [
    returns,
    returns_much,
    source_raises,
    task_raises,
    fold_raises,
    stream_left,
    stream_forgotten,
]


def ended(ending: Callable[[RunOptions], None], options: RunOptions) -> str:
    """How one run ended."""
    try:
        ending(options)
    except ValueError as error:
        return str(error)
    return "returns"


def children() -> set[str]:
    """Descendants of this process, those included that have ended and nobody waited for."""
    parents = {}
    for folder in PROC.glob("[0-9]*"):
        try:
            fields = (folder / "stat").read_text(errors="replace").rpartition(")")[2].split()
            servant = any(name in (folder / "cmdline").read_bytes() for name in SERVANTS)
        except OSError:
            continue
        parents[int(folder.name)] = (int(fields[1]), servant)
    found, grown = {os.getpid()}, True
    while grown:
        new = {pid for pid, (parent, servant) in parents.items() if parent in found and not servant} - found
        found |= new
        grown = bool(new)
    return {str(pid) for pid in found - {os.getpid()}}


def descriptors() -> set[str]:
    """Open descriptors, without the one that lists them."""
    found = set()
    for link in (PROC / "self" / "fd").iterdir():
        try:
            found.add(f"{link.name} {os.readlink(link)}")
        except OSError:
            continue
    return {text for text in found if not text.endswith("/fd")}


def shared_memory() -> set[str]:
    """Mapped shared memory."""
    lines = (PROC / "self" / "maps").read_text().splitlines()
    return {line.split()[0] for line in lines if "/dev/shm/" in line or "/memfd:" in line}


def held(folder: str) -> dict[str, set[str]]:
    """All that a run must give back."""
    return {
        "processes": children(),
        "threads": {task.name for task in (PROC / "self" / "task").iterdir()},
        "descriptors": descriptors(),
        "shared memory": shared_memory(),
        "temporary files": {str(path) for path in Path(folder).rglob("*")},
    }


def compare(before: dict[str, set[str]], folder: str) -> bool:
    """Print what is there now beside what was there; a thread that has been joined needs a moment to go."""
    until = time.monotonic() + PATIENCE
    while (after := held(folder)) != before and time.monotonic() < until:
        time.sleep(0.02)
    print(f"\n{'':16} {'before':>7} {'after':>7}   new")
    for what, there in before.items():
        new = sorted(after[what] - there)
        print(f"{what:16} {len(there):7,} {len(after[what]):7,}   {', '.join(new[:5]) or 'nothing'}")
    return all(after[what] <= before[what] for what in before)


def endure(runs: int, options: RunOptions, folder: str) -> bool:
    """So many runs in a row, each kind in its turn, and the comparison."""
    # What the first run starts for good (the fork server) is there before the count begins.
    ended(returns, options)
    before = held(folder)
    outcomes: dict[str, set[str]] = {ending.__name__: set() for ending in ENDINGS}
    started = time.perf_counter()
    for ending in itertools.islice(itertools.cycle(ENDINGS), runs):
        outcomes[ending.__name__].add(ended(ending, options))
    seconds = time.perf_counter() - started
    print(f"{runs} runs, {1000 * seconds / runs:.0f} ms each")
    for name, seen in outcomes.items():
        print(f"    {name.replace('_', ' '):18} {', '.join(sorted(seen))}")
    return compare(before, folder)


def main(arguments: Sequence[str] | None = None) -> int:
    """The command; 1 when something is left."""
    parser = argparse.ArgumentParser(description="Look for what runs leave behind.")
    parser.add_argument("--quick", action="store_true", help="fewer runs")
    parser.add_argument("--start-method", choices=["auto", "fork", "forkserver", "spawn"], default="auto")
    given = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory(prefix="leftovers-") as folder:
        # Whatever makes temporary files, here or in a child, makes them where they can be counted.
        os.environ["TMPDIR"] = tempfile.tempdir = folder
        nothing = endure(28 if given.quick else 200, {"workers": 2, "start_method": given.start_method}, folder)
    return 0 if nothing else 1


if __name__ == "__main__":
    raise SystemExit(main())
