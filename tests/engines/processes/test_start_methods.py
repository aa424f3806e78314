"""Programs without a `__main__` guard, however they are started, on every start method."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

PROGRAM = """
import enum, functools, sys
from collections.abc import Iterator
from dataclasses import dataclass
from daglite import task

@dataclass
class Point:
    x: int

    def moved(self, by):
        return Point(self.x + by)

class Side(enum.Enum):
    LEFT = 1
    RIGHT = 2

class Mine(Exception):
    pass

OFFSET = 10

def helper(x):
    return x + OFFSET

def factorial(n):
    return 1 if n < 2 else n * factorial(n - 1)

@task
def points(n: int) -> Iterator[Point]:
    for i in range(n):
        yield Point(i)

@task
def shifted(p: Point, by: int = 1) -> Point:
    assert isinstance(p, Point)
    return p.moved(by)

@task
def fails(p: Point) -> int:
    raise Mine("mine")

class Adder:
    def __init__(self, n):
        self.n = n

    def add(self, x):
        return x + self.n

def closure(k):
    return task(lambda p: helper(p.x) * k)

options = {"workers": 2, "start_method": METHOD}
assert points.iter(n=3).then(shifted, by=2).run(**options) == [Point(2), Point(3), Point(4)]
assert points.iter(n=3).then(closure(5)).run(**options) == [50, 55, 60]
assert task(factorial).map(n=[1, 3, 5]).run(**options) == [1, 6, 120]
assert task(Adder(4).add).map(x=[1, 2]).run(**options) == [5, 6]
assert task(functools.partial(pow, 2)).map(exp=[1, 2]).run(**options) == [2, 4]
assert task(lambda x: Side.LEFT if x else Side.RIGHT).map(x=[0, 1]).run(**options) == [Side.RIGHT, Side.LEFT]
assert points(n=2).then(task(lambda ps: [p.x for p in ps])).run(**options) == [0, 1]
try:
    points.iter(n=2).then(fails).run(workers=1, start_method=METHOD)
except Mine as error:
    assert "item 0" in error.__notes__[0]
else:
    raise AssertionError("no error")
print("all well")
"""


@pytest.mark.parametrize("way", ["file", "-c", "stdin", "cells"])
@pytest.mark.parametrize("method", ["fork", "forkserver", "spawn"])
def test_programs_need_no_guard(method: str, way: str, tmp_path: Path) -> None:
    program = PROGRAM.replace("METHOD", repr(method))
    command, given = [sys.executable], None
    if way == "file":
        (tmp_path / "program.py").write_text(program)
        command.append("program.py")
    elif way == "-c":
        command += ["-c", program]
    elif way == "stdin":
        command, given = [*command, "-"], program
    else:
        # As a notebook does: each cell is compiled by itself and run in the namespace of `__main__`.
        (tmp_path / "cells.txt").write_text(program)
        command += [
            "-c",
            "import __main__\nfor n, cell in enumerate(open('cells.txt').read().split('\\n\\n')):\n"
            "    exec(compile(cell, f'<cell {n}>', 'exec'), vars(__main__)) if not cell.startswith(' ') else None",
        ]
        program = program.replace("\n\n    def", "\n    def")
        (tmp_path / "cells.txt").write_text(program)
    done = subprocess.run(command, input=given, cwd=tmp_path, capture_output=True, text=True, timeout=100, check=False)
    assert (done.stdout, done.stderr) == ("all well\n", "")
