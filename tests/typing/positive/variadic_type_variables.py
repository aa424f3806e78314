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
# pyrefly  assert_type(TaskFuture[tuple[int, *tuple[Unknown, ...]]], TaskFuture[tuple[int, str]]) failed  [assert-type]
# pyrefly  assert_type(MapTaskFuture[tuple[int, *tuple[Unknown, ...]]], MapTaskFuture[tuple[int]]) failed  [assert-type]
# ty       No overload of function `task` matches arguments  [no-matching-overload]
# ty       Type `Unknown` does not match asserted type `TaskFuture[tuple[int, str]]`  [type-assertion-failure]
# ty       Type `MapTaskFuture[Unknown]` does not match asserted type `MapTaskFuture[tuple[int]]`  [type-assertion-failure]
# python   ok
# why      pyrefly, ty: variadic type variables do not pass through a `ParamSpec`
