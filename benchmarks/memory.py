"""How much memory the coordinator needs: a million items against ten thousand, large results, an endless source.

Each line is measured in processes of its own: what the coordinator had before the run is taken from its peak (VmHWM).
"""

from __future__ import annotations

import argparse
import itertools
import json
import math
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

import daglite
from daglite import IterFuture, task
from daglite.options import MIB, RuntimeName

ALLOWED = 20.0
LARGE = 2_000_000
HEAD_SECONDS = 2.0


@task
def numbers(n: int) -> Iterator[int]:
    """0, 1, 2, ..."""
    yield from range(n)


@task
def texts(n: int) -> Iterator[bytes]:
    """Items of 1 KB, no two alike."""
    for number in range(n):
        yield number.to_bytes(8, "big") * 128


@task
def endless() -> Iterator[int]:
    """Does not end by itself."""
    yield from itertools.count()


@task
def double(x: int) -> int:
    """2x."""
    return x * 2


@task
def add_ten(x: int) -> int:
    """x + 10."""
    return x + 10


@task
def mirror(text: bytes) -> bytes:
    """The bytes from behind."""
    return text[::-1]


@task
def large(number: int) -> bytes:
    """A result of 2 MB; the first one comes late, and all others, done before it, must wait."""
    if number == 0:
        time.sleep(HEAD_SECONDS)
    return bytes(LARGE)


@task
def add(total: int, item: int) -> int:
    """A sum."""
    return total + item


@task
def add_length(total: int, item: bytes) -> int:
    """A sum of lengths."""
    return total + len(item)


@task
def length(items: list[int]) -> int:
    """How many there are."""
    return len(items)


def ints(items: int, runtime: RuntimeName, limit: int) -> object:
    """Whole numbers through two tasks into a sum."""
    return numbers.iter(n=items).then(double).then(add_ten).reduce(add, initial=0).run(runtime=runtime, workers=2)


def joined(items: int, runtime: RuntimeName, limit: int) -> object:
    """The same numbers as a list, which is as long as it is: shows what the measure sees when nothing bounds it."""
    return numbers.iter(n=items).then(double).then(add_ten).join(length).run(runtime=runtime, workers=2)


def kilobytes(items: int, runtime: RuntimeName, limit: int) -> object:
    """Items of 1 KB through two tasks into a sum."""
    folded = texts.iter(n=items).then(mirror).then(mirror).reduce(add_length, initial=0)
    return folded.run(runtime=runtime, workers=2)


def slow_head(items: int, runtime: RuntimeName, limit: int) -> object:
    """Results of 2 MB, in order, behind a slow first one."""
    folded = numbers.iter(n=items).then(large).reduce(add_length, initial=0)
    return daglite.compile(folded, window_bytes=limit * MIB).run(runtime=runtime, workers=2)


def cut(items: int, runtime: RuntimeName, limit: int) -> object:
    """An endless source, left by its consumer after so many items."""
    source: IterFuture[int] = endless.iter()
    with daglite.compile(source.then(double)).stream(runtime=runtime, workers=2) as results:
        return sum(itertools.islice(results, items))


CASES: dict[str, Callable[[int, RuntimeName, int], object]] = {
    "ints": ints,
    "ints in a list": joined,
    "1 KB": kilobytes,
    "2 MB, slow head": slow_head,
    "endless, cut": cut,
}


class Line(NamedTuple):
    """One line of the table: so many items, compared with a few; `allowed` MB of growth."""

    case: str
    runtime: RuntimeName
    items: int
    few: int
    allowed: float
    limit: int = 64


def lines(quick: bool) -> list[Line]:
    """What is measured."""
    many, few = (50_000, 5_000) if quick else (1_000_000, 10_000)
    most = 40 if quick else 100
    return [
        Line("ints", "inline", many, few, ALLOWED),
        Line("ints", "processes", many, few, ALLOWED),
        Line("ints in a list", "processes", many, few, math.inf),
        Line("1 KB", "inline", many, few, ALLOWED),
        Line("1 KB", "processes", many, few, ALLOWED),
        Line("2 MB, slow head", "processes", most, 2, 16 * MIB / 1e6 + ALLOWED, limit=16),
        Line("2 MB, slow head", "processes", most, 2, 64 * MIB / 1e6 + ALLOWED, limit=64),
        Line("endless, cut", "processes", 10 * few, few, ALLOWED),
    ]


def memory(field: str) -> float:
    """A field of this process's status, in MB."""
    with open("/proc/self/status", encoding="ascii") as status:
        found = next(line for line in status if line.startswith(field + ":"))
    return int(found.split()[1]) * 1024 / 1e6


def child(case: str, runtime: RuntimeName, items: int, limit: int) -> None:
    """Run one case in this process and print what it took."""
    before = memory("VmRSS")
    started = time.perf_counter()
    CASES[case](items, runtime, limit)
    print(json.dumps([memory("VmHWM") - before, time.perf_counter() - started]))


def measure(line: Line, items: int) -> tuple[float, float]:
    """Growth in MB and seconds of one case, in a process of its own."""
    settings = [line.case, line.runtime, str(items), str(line.limit)]
    done = subprocess.run([sys.executable, __file__, "--child", *settings], check=True, stdout=subprocess.PIPE)
    growth, seconds = json.loads(done.stdout)
    return growth, seconds


def show(line: Line) -> bool:
    """Measure and print one line; whether the growth is within what is allowed."""
    base, _ = measure(line, line.few)
    growth, seconds = measure(line, line.items)
    holds = growth < line.allowed
    allowed = f"{line.allowed:.0f} MB" if line.allowed < math.inf else "any"
    print(
        f"{line.case:16} {line.runtime:10} {line.few:8,} {base:8.1f} MB  {line.items:10,} {growth:8.1f} MB "
        f"{growth - base:+8.1f} MB  {allowed:>9}  {'yes' if holds else 'NO':5} {seconds:7.1f} s",
        flush=True,
    )
    return holds


def main(arguments: Sequence[str] | None = None) -> int:
    """The command; 1 when a growth is larger than allowed."""
    parser = argparse.ArgumentParser(description="Measure the growth of the coordinator's memory.")
    parser.add_argument("--quick", action="store_true", help="fewer items")
    parser.add_argument("--child", nargs=4, metavar=("CASE", "RUNTIME", "ITEMS", "LIMIT"), help=argparse.SUPPRESS)
    given = parser.parse_args(arguments)
    if given.child:
        case, runtime, items, limit = given.child
        child(case, runtime, int(items), int(limit))
        return 0
    print("growth of the coordinator's memory: for a few items, for many, the difference, what is allowed")
    print(
        f"{'items':16} {'runtime':10} {'few':>8} {'growth':>11}  {'many':>10} {'growth':>11} {'difference':>11}", end=""
    )
    print(f"  {'allowed':>9}  {'holds':5} {'time':>9}")
    return 0 if all([show(line) for line in lines(given.quick)]) else 1


if __name__ == "__main__":
    raise SystemExit(main())
