"""Running folds."""

from __future__ import annotations

from typing import assert_type

from daglite import MapTaskFuture, ReduceFuture
from tests.typing.shop import add, double, label, numbers, tally, words

assert_type(numbers.iter(n=3).scan(add, initial=0.0), MapTaskFuture[float])
assert_type(numbers.iter(n=3).then(double).scan(add, initial=0.0).then(label), MapTaskFuture[str])
assert_type(numbers.iter(n=3).scan(add, initial=0.0).batch(2), MapTaskFuture[list[float]])
assert_type(words.iter(text="a").scan(tally, initial={}), MapTaskFuture[dict[str, int]])
assert_type(numbers.iter(n=3).scan(add, initial=0.0).max(), ReduceFuture[float])

# mypy     ok
# plugin   ok
# pyright  ok
# pyrefly  ok
# ty       ok
# python   ok
