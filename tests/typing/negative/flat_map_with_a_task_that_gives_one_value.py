"""Flat_map with a task that gives one value."""

from __future__ import annotations

from daglite import task
from tests.typing.shop import numbers


@task
def half(x: int) -> float:
    return x / 2


numbers.iter(n=3).flat_map(half)

# mypy     Argument 1 to "flat_map" of "Items" has incompatible type "Task[[int], float]"; expected "Callable[[int], TaskFuture[Iterable[Never]]]"  [arg-type]
# plugin   Argument 1 to "flat_map" of "Items" has incompatible type "Task[[int], float]"; expected "Callable[[int], TaskFuture[Iterable[Never]]]"  [arg-type]
# pyright  Argument of type "Task[(x: int), float]" cannot be assigned to parameter "task" of type "(int, **P@flat_map) -> TaskFuture[Iterable[U@flat_map]]" in function "flat_map"  [reportArgumentType]
# pyrefly  Argument `Task[[x: int], float]` is not assignable to parameter `task` with type `(int) -> TaskFuture[Iterable[@_]]` in function `daglite.futures.items.Items.flat_map`  [bad-argument-type]
# ty       Argument to bound method `Items.flat_map` is incorrect: Expected `(int, /, *args: Unknown, **kwargs: Unknown) -> TaskFuture[Iterable[Unknown]]`, found `Task[(x: int), float]`  [invalid-argument-type]
# python   ok
