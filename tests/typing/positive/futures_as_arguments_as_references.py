"""Futures as arguments: as references."""

from __future__ import annotations

from typing import assert_type

from daglite import MapTaskFuture, TaskFuture, ref
from tests.typing.shop import count, double, numbers, scale, total

assert_type(double(x=ref(count())), TaskFuture[int])
assert_type(total(values=ref(numbers.iter(n=3))), TaskFuture[int])
assert_type(numbers.iter(n=3).then(scale, factor=ref(count())), MapTaskFuture[float])

# mypy     ok
# plugin   ok
# pyright  ok
# pyrefly  ok
# ty       ok
# python   ok
