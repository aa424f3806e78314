"""Maps."""

from __future__ import annotations

from typing import assert_type

from daglite import MapTaskFuture
from tests.typing.shop import double, listing, minus, numbers, scale, total, words

assert_type(double.map(x=range(3)), MapTaskFuture[int])
assert_type(double.map(x=(n for n in [1, 2])), MapTaskFuture[int])
assert_type(double.map(x=listing(n=3)), MapTaskFuture[int])
assert_type(double.map(x=numbers.iter(n=3)), MapTaskFuture[int])
assert_type(scale.map(x=[1, 2], factor=[1.0, 2]), MapTaskFuture[float])
assert_type(minus.map(a=[1], b=listing(n=3), map_mode="product"), MapTaskFuture[int])
assert_type(words.map(text=["a b"]), MapTaskFuture[list[str]])
assert_type(total.map(values=[[], [1]]), MapTaskFuture[int])

# mypy     ok
# plugin   ok
# pyright  ok
# pyrefly  ok
# ty       ok
# python   ok
