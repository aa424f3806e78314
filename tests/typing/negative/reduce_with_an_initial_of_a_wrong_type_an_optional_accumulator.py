"""Reduce with an initial of a wrong type: an optional accumulator."""

from __future__ import annotations

from daglite import task
from tests.typing.shop import words


@task
def longest(best: str | None, word: str) -> str | None:
    return word if best is None or len(word) > len(best) else best


words.iter(text="a bb").reduce(longest, initial=0)

# mypy     Cannot infer value of type parameter "A" of "reduce" of "Foldable"  [misc]
# plugin   Argument "initial" to "reduce(longest)" has incompatible type "int"; expected "str | Future[str | None] | None"  [arg-type]
# pyright  Argument of type "Literal[0]" cannot be assigned to parameter "initial" of type "A@reduce" in function "reduce"  [reportArgumentType]
# pyrefly  Argument `Literal[0]` is not assignable to parameter `initial` with type `str | None` in function `daglite.futures.folds.Foldable.reduce`  [bad-argument-type]
# ty       Argument to bound method `Foldable.reduce` is incorrect: Expected `ReduceStep[str | None | Literal[0], str]`, found `Task[(best: str | None, word: str), str | None]`  [invalid-argument-type]
# python   ok
