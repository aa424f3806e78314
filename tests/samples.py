"""What many tests build pipelines from: small tasks, a store that remembers, golden texts."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from daglite import task

__all__ = [
    "DIVISION_BY_ZERO",
    "Memory",
    "check_golden",
    "double",
    "fold",
    "minus",
    "odd",
    "one",
    "pair",
    "rows",
    "scale",
    "several",
    "shown",
    "told_by",
    "total",
    "weighted",
]

# The message of `1 // 0`.
DIVISION_BY_ZERO = "division by zero" if sys.version_info >= (3, 14) else "integer division or modulo by zero"


# Parameters are `Any` here, as checkers without the plugin take no future for an argument; tests/typing looks at types.
@task
def rows(n: Any, start: Any = 0) -> Iterator[int]:
    yield from range(start, start + n)


@task
def several(x: Any) -> Iterator[int]:
    yield x
    yield -x


@task
def one(n: Any) -> int:
    return int(n)


@task
def double(x: Any) -> int:
    return int(x * 2)


@task
def scale(x: Any, by: Any = 10) -> int:
    return int(x * by)


@task
def odd(x: Any, by: Any = 2) -> bool:
    return bool(x % by)


@task
def minus(a: Any, b: Any) -> int:
    return int(a - b)


@task
def pair(a: Any, b: Any) -> tuple[object, object]:
    return a, b


@task
def fold(acc: Any, item: Any) -> int:
    """Neither commutative nor associative: an item out of its place shows."""
    return int(acc * 3 + item)


@task
def weighted(acc: Any, item: Any, by: Any = 2) -> int:
    return int(acc + item * by)


@task
def total(items: Any) -> int:
    return sum(items)


@task
def shown(items: Any, after: Any = ".") -> str:
    return f"{items}{after}"


class Memory:
    """A store that remembers in order what was saved."""

    def __init__(self) -> None:
        self.saved: list[tuple[str, object]] = []

    def save(self, key: str, value: object) -> None:
        self.saved.append((key, value))


def told_by(program: str, seed: int) -> str:
    """What a Python program prints in a process of its own, with sets and dicts hashed by this seed."""
    root = Path(__file__).parent.parent
    env = {**os.environ, "PYTHONHASHSEED": str(seed), "PYTHONPATH": str(root)}
    done = subprocess.run([sys.executable, "-c", program], cwd=root, env=env, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout


def check_golden(file: Path, text: str) -> None:
    """Compare `text` with the golden file, line by line; with UPDATE_GOLDEN=1 in the environment write it instead.

    The digits of a fingerprint are left out: they change with the Python version.
    """
    stable = re.sub(r"^plan [0-9a-f]{8} ", "plan ........ ", text) + "\n"
    if os.environ.get("UPDATE_GOLDEN") == "1":
        file.parent.mkdir(exist_ok=True)
        file.write_text(stable, encoding="utf-8")
    wanted = file.read_text(encoding="utf-8") if file.exists() else ""
    hint = f"{file.name} differs; when the new text is right, run again with UPDATE_GOLDEN=1 and review the file"
    assert stable.splitlines() == wanted.splitlines(), hint
