"""Reduce with an initial of a wrong type: list for a dict."""

from __future__ import annotations

from tests.typing.shop import tally, words

words.iter(text="a").reduce(tally, initial=[])

# mypy     Cannot infer value of type parameter "A" of "reduce" of "Items"  [misc]
# plugin   Argument "initial" to "reduce(tally)" has incompatible type "list[Never]"; expected "dict[str, int] | Future[dict[str, int]]"  [arg-type]
# pyright  Argument of type "list[Any]" cannot be assigned to parameter "initial" of type "A@reduce" in function "reduce"  [reportArgumentType]
# python   ok
