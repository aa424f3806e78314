"""Accumulators that start empty."""

from __future__ import annotations

from typing import assert_type

from daglite import ReduceFuture
from tests.typing.shop import add, numbers, tally, words

assert_type(words.iter(text="a b").reduce(tally, initial={}), ReduceFuture[dict[str, int]])
assert_type(numbers.iter(n=3).reduce(add, initial=0), ReduceFuture[float])
assert_type(numbers.iter(n=3).reduce(add, initial=0.0, ordered=False), ReduceFuture[float])

# mypy     ok
# plugin   ok
# pyright  ok
# pyrefly  ok
# ty       ok
# python   ok
