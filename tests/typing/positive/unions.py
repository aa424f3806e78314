"""Unions."""

from __future__ import annotations

from typing import assert_type

from daglite import IterFuture, MapTaskFuture, TaskFuture, task
from tests.typing.shop import numbers, upper, words


@task
def told(x: int | str | None) -> str:
    return str(x)


@task
def maybe(x: int) -> int | None:
    return x or None


@task
def shouted(text: str) -> str:
    return text + "!"


def chosen(loud: bool, stream: IterFuture[str] | MapTaskFuture[str]) -> MapTaskFuture[str]:
    step = shouted if loud else upper
    return stream.then(step)


assert_type(numbers.iter(n=3).then(told), MapTaskFuture[str])
assert_type(numbers.iter(n=3).then(maybe).then(told), MapTaskFuture[str])
assert_type(told(x=maybe(x=1)), TaskFuture[str])
assert_type(told(x=None), TaskFuture[str])
chosen(True, words.iter(text="a b"))

# mypy     Argument "x" to "__call__" of "BaseTask" has incompatible type "TaskFuture[int | None]"; expected "int | str | None"  [arg-type]
# plugin   ok
# pyright  Argument of type "TaskFuture[int | None]" cannot be assigned to parameter "x" of type "int | str | None" in function "__call__"  [reportArgumentType]
# pyrefly  Argument `TaskFuture[int | None]` is not assignable to parameter `x` with type `int | str | None` in function `daglite.tasks.BaseTask.__call__`  [bad-argument-type]
# ty       Argument to bound method `BaseTask.__call__` is incorrect: Expected `int | str | None`, found `TaskFuture[int | None]`  [invalid-argument-type]
# python   ok
# why      mypy, pyright, pyrefly, ty: plain types cannot say `X | Future[X]` for every parameter; write `ref(future)`
