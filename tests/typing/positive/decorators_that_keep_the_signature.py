"""Decorators that keep the signature."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator
from typing import ParamSpec, TypeVar, assert_type

from daglite import MapTaskFuture, TaskFuture, task
from tests.typing.shop import count

P = ParamSpec("P")
R = TypeVar("R")


def logged(fn: Callable[P, R]) -> Callable[P, R]:
    @functools.wraps(fn)
    def inner(*args: P.args, **kwargs: P.kwargs) -> R:
        return fn(*args, **kwargs)

    return inner


@task
@logged
def tripled(x: int) -> int:
    return x * 3


@task
@logged
def counted(n: int) -> Iterator[int]:
    yield from range(n)


assert_type(tripled(x=count()), TaskFuture[int])
assert_type(counted.iter(n=3).then(tripled), MapTaskFuture[int])

# mypy     Argument "x" to "__call__" of "BaseTask" has incompatible type "TaskFuture[int]"; expected "int"  [arg-type]
# plugin   ok
# pyright  Argument of type "TaskFuture[int]" cannot be assigned to parameter "x" of type "int" in function "__call__"  [reportArgumentType]
# pyrefly  Argument `TaskFuture[int]` is not assignable to parameter `x` with type `int` in function `daglite.tasks.BaseTask.__call__`  [bad-argument-type]
# ty       Argument to bound method `BaseTask.__call__` is incorrect: Expected `int`, found `TaskFuture[int]`  [invalid-argument-type]
# python   ok
# why      mypy, pyright, pyrefly, ty: plain types cannot say `X | Future[X]` for every parameter; write `ref(future)`
