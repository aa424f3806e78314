"""Reduce with a combine of a wrong type: the fold."""

from __future__ import annotations

from tests.typing.shop import tally, words

words.iter(text="a b").reduce(tally, initial={}, combine=tally)

# mypy     Argument "combine" to "reduce" of "Foldable" has incompatible type "Task[[dict[str, int], str], dict[str, int]]"; expected "ReduceStep[dict[str, int], dict[str, int]] | Callable[[dict[str, int], dict[str, int]], dict[str, int]] | None"  [arg-type]
# plugin   Argument "combine" to "reduce(tally)" has incompatible type "Task[[dict[str, int], str], dict[str, int]]"; expected "ReduceStep[dict[str, int], dict[str, int]] | Callable[[dict[str, int], dict[str, int]], dict[str, int]] | None"  [arg-type]
# pyright  Argument of type "Task[(counts: dict[str, int], word: str), dict[str, int]]" cannot be assigned to parameter "combine" of type "CombineStep[A@reduce] | None" in function "reduce"  [reportArgumentType]
# pyrefly  Argument `Task[[counts: dict[str, int], word: str], dict[str, int]]` is not assignable to parameter `combine` with type `((dict[str, int], dict[str, int]) -> dict[str, int]) | ReduceStep[dict[str, int], dict[str, int]] | None` in function `daglite.futures.fold ...  [bad-argument-type]
# ty       Argument to bound method `Foldable.reduce` is incorrect: Expected `ReduceStep[dict[str, int] | dict[Unknown, Unknown], dict[str, int] | dict[Unknown, Unknown]] | ((dict[str, int] | dict[Unknown, Unknown], dict[str, int] | dict[Unknown, Unknown], /) -> dict[str ...  [invalid-argument-type]
# python   ok
