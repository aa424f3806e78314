"""Reduce with the order swapped."""

from __future__ import annotations

from daglite import task
from tests.typing.shop import words


@task
def swapped(word: str, counts: dict[str, int]) -> dict[str, int]:
    return counts


words.iter(text="a b").reduce(swapped, initial={})

# mypy     Cannot infer value of type parameter "A" of "reduce" of "Foldable"  [misc]
# plugin   "reduce" gives the accumulator first and the item second: task "swapped" takes "str" for "word" and "dict[str, int]" for "counts"; swap them  [arg-type]
# pyright  Argument of type "Task[(word: str, counts: dict[str, int]), dict[str, int]]" cannot be assigned to parameter "task" of type "ReduceStep[A@reduce, str]" in function "reduce"  [reportArgumentType]
# pyrefly  Argument `Task[[word: str, counts: dict[str, int]], dict[str, int]]` is not assignable to parameter `task` with type `ReduceStep[str, str]` in function `daglite.futures.folds.Foldable.reduce`  [bad-argument-type]
# pyrefly  Argument `dict[@_, @_]` is not assignable to parameter `initial` with type `str` in function `daglite.futures.folds.Foldable.reduce`  [bad-argument-type]
# ty       Argument to bound method `Foldable.reduce` is incorrect: Expected `ReduceStep[dict[Unknown, Unknown], str]`, found `Task[(word: str, counts: dict[str, int]), dict[str, int]]`  [invalid-argument-type]
# python   ok
