"""Filters."""

from __future__ import annotations

from typing import assert_type

from daglite import MapTaskFuture, ReduceFuture
from tests.typing.shop import add, double, large, numbers

assert_type(numbers.iter(n=3).filter(large), MapTaskFuture[int])
assert_type(numbers.iter(n=3).then(double).filter(large, least=1.0).then(double), MapTaskFuture[int])
assert_type(numbers.iter(n=3).filter(large, 1.0).reduce(add, initial=0.0), ReduceFuture[float])
assert_type(numbers.iter(n=3).filter(large).run(runtime="inline"), list[int])

# mypy     ok
# plugin   ok
# pyright  ok
# pyrefly  ok
# ty       ok
# python   ok
