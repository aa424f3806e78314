"""The tasks that the programs of `cases/` are written with."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator

from daglite import task

__all__ = [
    "add",
    "count",
    "double",
    "label",
    "large",
    "later",
    "listing",
    "minus",
    "numbers",
    "prefixed",
    "rows",
    "scale",
    "tally",
    "ticks",
    "total",
    "upper",
    "words",
]


@task
def numbers(n: int) -> Iterator[int]:
    yield from range(n)


@task
def words(text: str, limit: int = 10) -> Iterator[str]:
    yield from text.split()[:limit]


@task
def rows(path: str) -> Iterator[dict[str, str]]:
    yield {"path": path}


@task
async def ticks(n: int) -> AsyncIterator[int]:
    for number in range(n):
        yield number


@task
def large(x: float, least: float = 2.0) -> bool:
    return x >= least


@task
def listing(n: int) -> list[int]:
    return list(range(n))


@task
def count() -> int:
    return 2


@task
def double(x: int) -> int:
    return x * 2


@task
async def later(x: int) -> str:
    return str(x)


@task
def upper(text: str) -> str:
    return text.upper()


@task
def minus(a: int, b: int) -> int:
    return a - b


@task
def scale(x: float, factor: float) -> float:
    return x * factor


@task
def prefixed(prefix: str, x: int) -> str:
    return f"{prefix}{x}"


@task
def label(value: float, *, prefix: str = "") -> str:
    return f"{prefix}{value}"


@task
def add(total: float, item: float) -> float:
    return total + item


@task
def tally(counts: dict[str, int], word: str) -> dict[str, int]:
    return counts | {word: counts.get(word, 0) + 1}


@task
def total(values: list[int]) -> int:
    return sum(values)
