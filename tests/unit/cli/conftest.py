"""A module as a user has it, in the current folder, for the tests of the command line."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

SHOP = '''
"""A shop."""
from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import daglite
from daglite import task

if TYPE_CHECKING:
    from nowhere import Unknown


@task
def numbers(n: int, start: int = 0) -> Iterator[int]:
    yield from range(start, start + n)


@task
def double(x: int) -> int:
    return 2 * x


@task
def add(total: int, item: int) -> int:
    return total + item


@task
def fails(x: int) -> int:
    if x == 3:
        raise ValueError("three is not allowed")
    return x


@task
def texts(x: int) -> str | None:
    return None if x == 1 else f"text {x}"


@task
def leaves(x: int) -> int:
    sys.exit(7)


pipeline = numbers.iter(n=4).then(double).reduce(add, initial=0)
items = numbers.iter(n=4).then(double)
broken = numbers.iter(n=5).then(fails).reduce(add, initial=0)
lines = numbers.iter(n=3).then(texts)
saved = numbers.iter(n=2).save("n{iteration_index}").reduce(add, initial=0)
plan = daglite.compile(pipeline)
partial = numbers.partial(start=5)
value = 5
nothing = task(lambda: None, name="nothing")()


def build(n: int, tags: list[str] = [], mode: Literal["sum", "list"] = "sum", **more: float) -> object:
    if n < 0:
        raise ValueError("n is negative")
    stream = numbers.iter(n=n).then(double)
    return stream.reduce(add, initial=len(tags) + int(sum(more.values()))) if mode == "sum" else stream


def odd(n: Unknown, path: Path = Path(".")) -> object:
    return numbers.iter(n=1)


def gives_five() -> int:
    return 5


class Shelf:
    inner = pipeline
'''


@pytest.fixture(autouse=True)
def shop(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder with the module `shop`, as a user has it."""
    (tmp_path / "shop.py").write_text(SHOP)
    monkeypatch.chdir(tmp_path)
    path = [*sys.path]
    yield tmp_path
    sys.path[:] = path
    for name in ("shop", "broken_module", "needs"):
        sys.modules.pop(name, None)
