"""The functions as tasks of an importable module: these travel to workers by reference."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from daglite import Task, task
from tests.properties import functions

__all__ = ["TASKS"]


@task
def mark(x: object, a: object = 0, b: object = None) -> object:
    return functions.mark(x, a, b)


@task
def swap(a: object, x: object, b: object = ()) -> object:
    return functions.swap(a, x, b)


@task
def echo(x: object) -> object:
    return functions.echo(x)


@task
def void(x: object, a: object = "") -> None:
    return functions.void(x, a)


@task
def blank(x: object) -> object:
    return functions.blank(x)


@task
def picky(x: object, m: int = 3) -> object:
    return functions.picky(x, m)


@task
def likes(x: object, m: int = 2) -> bool:
    return functions.likes(x, m)


@task
def odds(x: object, a: object = 0) -> object:
    return functions.odds(x, a)


@task
def fussy(x: object, m: int = 4) -> bool:
    return functions.fussy(x, m)


@task
def residue(x: object, m: int = 3) -> int:
    return functions.residue(x, m)


@task
def touchy(x: object, m: int = 4) -> int:
    return functions.touchy(x, m)


@task
def listing(x: object, n: int = 2) -> list[object]:
    return functions.listing(x, n)


@task
def fold(acc: object, item: object, k: object = 0) -> object:
    return functions.fold(acc, item, k)


@task
def lagfold(k: object, acc: object, item: object) -> object:
    return functions.lagfold(k, acc, item)


@task
def choosy(acc: object, item: object, m: int = 3) -> object:
    return functions.choosy(acc, item, m)


@task
def tally(acc: object, item: object) -> int:
    return functions.tally(acc, item)


@task
def strand(acc: object, item: object, m: int = 0) -> str:
    return functions.strand(acc, item, m)


@task
def emit(items: tuple[object, ...], a: object = None) -> Iterator[object]:
    yield from functions.emit(items, a)


@task
def count(n: int, start: int = 0) -> Iterator[object]:
    yield from functions.count(n, start)


@task
def spread(x: object, n: int = 2) -> Iterator[object]:
    yield from functions.spread(x, n)


@task
def faulty(items: tuple[object, ...], after: int) -> Iterator[object]:
    yield from functions.faulty(items, after)


TASKS: dict[str, Task[..., Any]] = {
    each.name: each
    for each in (
        mark, swap, echo, void, blank, picky, likes, odds, fussy, residue, touchy, listing, fold, lagfold, choosy,
        tally, strand, emit, count, spread, faulty,
    )
}  # fmt: skip
