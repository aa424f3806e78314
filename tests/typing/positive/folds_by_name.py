"""Folds by name."""

from __future__ import annotations

from typing import assert_type

from daglite import ReduceFuture, TaskFuture
from tests.typing.shop import double, later, numbers, rows, scale, words

assert_type(words.iter(text="a").count().then(double), TaskFuture[int])
assert_type(numbers.iter(n=3).sum(), ReduceFuture[int])
assert_type(numbers.iter(n=3).then(scale, factor=1.5).sum(start=2.0), ReduceFuture[float])
assert_type(words.iter(text="a").min(), ReduceFuture[str])
assert_type(words.iter(text="a").max(key=len, default=""), ReduceFuture[str])
assert_type(rows.iter(path="a").max(key=len), ReduceFuture[dict[str, str]])
assert_type(numbers.iter(n=3).for_each(later), ReduceFuture[int])

# mypy     ok
# plugin   ok
# pyright  ok
# pyrefly  ok
# ty       ok
# python   ok
