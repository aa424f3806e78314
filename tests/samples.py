"""What many tests build pipelines from: small tasks, a store that remembers, golden texts."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from pathlib import Path

from daglite import task

__all__ = [
    "Memory",
    "check_golden",
    "double",
    "fold",
    "minus",
    "one",
    "pair",
    "rows",
    "scale",
    "several",
    "shown",
    "total",
]


@task
def rows(n: int, start: int = 0) -> Iterator[int]:
    yield from range(start, start + n)


@task
def several(x: int) -> Iterator[int]:
    yield x
    yield -x


@task
def one(n: int) -> int:
    return n


@task
def double(x: int) -> int:
    return x * 2


@task
def scale(x: int, by: int = 10) -> int:
    return x * by


@task
def minus(a: int, b: int) -> int:
    return a - b


@task
def pair(a: object, b: object) -> tuple[object, object]:
    return a, b


@task
def fold(acc: int, item: int) -> int:
    """Neither commutative nor associative: an item out of its place shows."""
    return acc * 3 + item


@task
def total(items: list[int]) -> int:
    return sum(items)


@task
def shown(items: list[int], after: str = ".") -> str:
    return f"{items}{after}"


class Memory:
    """A store that remembers in order what was saved."""

    def __init__(self) -> None:
        self.saved: list[tuple[str, object]] = []

    def save(self, key: str, value: object) -> None:
        self.saved.append((key, value))


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
