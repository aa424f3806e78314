"""Folds that combine."""

from __future__ import annotations

import operator
from typing import assert_type

from daglite import ReduceFuture, task
from tests.typing.shop import add, numbers, tally, words


@task
def merged(one: dict[str, int], other: dict[str, int]) -> dict[str, int]:
    return {word: one.get(word, 0) + other.get(word, 0) for word in [*one, *other]}


@task
def weighted(one: float, other: float, weight: float) -> float:
    return one + weight * other


def plus(one: float, other: float) -> float:
    return one + other


assert_type(numbers.iter(n=3).reduce(add, initial=0.0, combine=add), ReduceFuture[float])
assert_type(numbers.iter(n=3).reduce(add, initial=0.0, combine=plus), ReduceFuture[float])
assert_type(numbers.iter(n=3).reduce(add, initial=0.0, combine=operator.add, ordered=False), ReduceFuture[float])
assert_type(numbers.iter(n=3).reduce(add, initial=0.0, combine=lambda one, other: one + other), ReduceFuture[float])
assert_type(numbers.iter(n=3).reduce(add, initial=7.0, combine=plus, empty=0.0), ReduceFuture[float])
assert_type(numbers.iter(n=3).reduce(add, initial=0.0, combine=weighted.partial(weight=1.0)), ReduceFuture[float])
assert_type(words.iter(text="a b").reduce(tally, initial={}, combine=merged, empty={}), ReduceFuture[dict[str, int]])

# mypy     ok
# plugin   ok
# pyright  ok
# pyrefly  ok
# ty       ok
# python   ok
