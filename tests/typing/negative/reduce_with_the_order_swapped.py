"""Reduce with the order swapped."""

from __future__ import annotations

from daglite import task
from tests.typing.shop import words


@task
def swapped(word: str, counts: dict[str, int]) -> dict[str, int]:
    return counts


words.iter(text="a b").reduce(swapped, initial={})

# mypy     Cannot infer value of type parameter "A" of "reduce" of "Items"  [misc]
# plugin   "reduce" gives the accumulator first and the item second: task "swapped" takes "str" for "word" and "dict[str, int]" for "counts"; swap them  [arg-type]
# pyright  Argument of type "Task[(word: str, counts: dict[str, int]), dict[str, int]]" cannot be assigned to parameter "task" of type "ReduceStep[A@reduce, str]" in function "reduce"  [reportArgumentType]
# python   ok
