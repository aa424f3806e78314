"""A run gives what the last task gives."""

from __future__ import annotations

from collections.abc import Iterator

from daglite import TaskFuture, task


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


found: TaskFuture[str] = numbers.iter(n=3).join(total)  # type: ignore[arg-type]
