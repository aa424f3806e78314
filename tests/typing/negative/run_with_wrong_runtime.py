"""Runtimes have known names."""

from __future__ import annotations

from collections.abc import Iterator

from daglite import task


@task
def numbers(n: int) -> Iterator[int]:
    yield from range(n)


@task
def double(x: int) -> int:
    return x * 2


@task
def minus(a: int, b: int) -> int:
    return a - b


@task
def upper(text: str) -> str:
    return text.upper()


@task
def total(values: list[int]) -> int:
    return sum(values)


double(x=1).run(runtime="thread")  # type: ignore[arg-type]
