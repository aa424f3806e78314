"""Values that are there already."""

from __future__ import annotations

from typing import assert_type

from daglite import IterFuture, MapTaskFuture, from_iterable
from tests.typing.shop import double, upper

assert_type(from_iterable([1, 2]), IterFuture[int])
assert_type(from_iterable(range(3)).then(double), MapTaskFuture[int])
assert_type(from_iterable({"a": 1}).then(upper), MapTaskFuture[str])
assert_type(from_iterable(number for number in range(3)).then(double), MapTaskFuture[int])

# mypy     ok
# plugin   ok
# pyright  ok
# pyrefly  ok
# ty       ok
# python   ok
