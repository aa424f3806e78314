"""Parameters by position only."""

from __future__ import annotations

from typing import assert_type

from daglite import MapTaskFuture, TaskFuture, task
from tests.typing.shop import count, numbers


@task
def half(x: int, /, by: int = 2) -> float:
    return x / by


assert_type(half(count()), TaskFuture[float])
assert_type(numbers.iter(n=3).then(half), MapTaskFuture[float])
assert_type(numbers.iter(n=3).then(half, by=3), MapTaskFuture[float])
assert_type(half.partial(by=3)(1), TaskFuture[float])

# mypy     Argument 1 to "__call__" of "BaseTask" has incompatible type "TaskFuture[int]"; expected "int"  [arg-type]
# plugin   ok
# pyright  Argument of type "TaskFuture[int]" cannot be assigned to parameter "x" of type "int" in function "__call__"  [reportArgumentType]
# pyrefly  Argument `TaskFuture[int]` is not assignable to parameter `x` with type `int` in function `daglite.tasks.BaseTask.__call__`  [bad-argument-type]
# ty       Argument to bound method `BaseTask.__call__` is incorrect: Expected `int`, found `TaskFuture[int]`  [invalid-argument-type]
# python   ok
# why      mypy, pyright, pyrefly, ty: plain types cannot say `X | Future[X]` for every parameter; write `ref(future)`
