"""Variadic type variables."""

from __future__ import annotations

from typing import TypeVarTuple, assert_type

from daglite import MapTaskFuture, TaskFuture, task
from tests.typing.shop import numbers

Ts = TypeVarTuple("Ts")


@task
def packed(x: int, *rest: *Ts) -> tuple[int, *Ts]:
    return (x, *rest)


assert_type(packed(1, "a"), TaskFuture[tuple[int, str]])
assert_type(numbers.iter(n=1).then(packed), MapTaskFuture[tuple[int]])

# mypy     ok
# plugin   ok
# pyright  ok
# python   ok
