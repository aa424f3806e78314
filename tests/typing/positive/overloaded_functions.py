"""Overloaded functions."""

from __future__ import annotations

from typing import assert_type, overload

from daglite import MapTaskFuture, TaskFuture, task
from tests.typing.shop import numbers


@overload
def either(x: int) -> int: ...
@overload
def either(x: str) -> str: ...
def either(x: int | str) -> int | str:
    return x


assert_type(task(either)(x=3), TaskFuture[int])
assert_type(numbers.iter(n=3).then(task(either)), MapTaskFuture[int])

# mypy     ok
# plugin   ok
# pyright  ok
# pyrefly  ok
# ty       Type `TaskFuture[int | str]` does not match asserted type `TaskFuture[int]`  [type-assertion-failure]
# ty       Type `MapTaskFuture[int | str]` does not match asserted type `MapTaskFuture[int]`  [type-assertion-failure]
# python   ok
# why      ty: the results of the overloads are joined
