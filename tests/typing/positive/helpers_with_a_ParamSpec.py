"""Helpers with a ParamSpec."""

from __future__ import annotations

from collections.abc import Callable
from typing import Concatenate, ParamSpec, TypeVar, assert_type

from daglite import MapTaskFuture, Task, TaskFuture, task
from tests.typing.shop import double, numbers, scale

P = ParamSpec("P")
R = TypeVar("R")


def twice(step: Task[P, R], *args: P.args, **kwargs: P.kwargs) -> list[TaskFuture[R]]:
    return [step(*args, **kwargs), step(*args, **kwargs)]


def made(fn: Callable[P, R]) -> Task[P, list[R]]:
    def listed(*args: P.args, **kwargs: P.kwargs) -> list[R]:
        return [fn(*args, **kwargs)]

    return task(listed)


def after(step: Task[Concatenate[int, P], R], *args: P.args, **kwargs: P.kwargs) -> MapTaskFuture[R]:
    return numbers.iter(n=3).then(step, *args, **kwargs)


assert_type(twice(double, 3), list[TaskFuture[int]])
assert_type(twice(scale, x=1.0, factor=2.0), list[TaskFuture[float]])
assert_type(made(pow_of := double.fn), Task[..., list[int]])
assert_type(after(scale, factor=2.0), MapTaskFuture[float])

# mypy     ok
# plugin   ok
# pyright  Argument of type "Task[(x: float, factor: float), float]" cannot be assigned to parameter "step" of type "Task[(int, **P@after), R@after]" in function "after"  [reportArgumentType]
# pyrefly  assert_type(MapTaskFuture[Unknown], MapTaskFuture[float]) failed  [assert-type]
# pyrefly  Argument `Task[[x: float, factor: float], float]` is not assignable to parameter `step` with type `Task[[int, factor: float], @_]` in function `after`  [bad-argument-type]
# ty       Argument to function `after` is incorrect: Expected `Task[(int, /, factor: float), float]`, found `Task[(x: float, factor: float), float]`  [invalid-argument-type]
# python   ok
# why      pyright, pyrefly, ty: a parameter that also has a name is not that of `Concatenate[int, P]` of a class
