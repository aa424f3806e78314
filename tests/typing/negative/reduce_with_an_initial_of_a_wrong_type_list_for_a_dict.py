"""Reduce with an initial of a wrong type: list for a dict."""

from __future__ import annotations

from tests.typing.shop import tally, words

words.iter(text="a").reduce(tally, initial=[])

# mypy     Cannot infer value of type parameter "A" of "reduce" of "Foldable"  [misc]
# plugin   Argument "initial" to "reduce(tally)" has incompatible type "list[Never]"; expected "dict[str, int] | Future[dict[str, int]]"  [arg-type]
# pyright  Argument of type "list[Any]" cannot be assigned to parameter "initial" of type "A@reduce" in function "reduce"  [reportArgumentType]
# pyrefly  Argument `list[@_]` is not assignable to parameter `initial` with type `dict[str, int]` in function `daglite.futures.folds.Foldable.reduce`  [bad-argument-type]
# ty       Argument to bound method `Foldable.reduce` is incorrect: Expected `ReduceStep[dict[str, int] | list[Unknown], str]`, found `Task[(counts: dict[str, int], word: str), dict[str, int]]`  [invalid-argument-type]
# python   ok
