"""Nested futures."""

from __future__ import annotations

from typing import assert_type

from daglite import TaskFuture
from tests.typing.shop import scale

assert_type(
    scale(scale(scale(scale(scale(scale(scale(scale(1.0, 2.0), 2.0), 2.0), 2.0), 2.0), 2.0), 2.0), 2.0),
    TaskFuture[float],
)

# mypy     Argument 1 to "__call__" of "BaseTask" has incompatible type "TaskFuture[float]"; expected "float"  [arg-type]
# plugin   ok
# pyright  Argument of type "TaskFuture[float]" cannot be assigned to parameter "x" of type "float" in function "__call__"  [reportArgumentType]
# pyrefly  Argument `TaskFuture[float]` is not assignable to parameter `x` with type `float` in function `daglite.tasks.BaseTask.__call__`  [bad-argument-type]
# ty       Argument to bound method `BaseTask.__call__` is incorrect: Expected `float`, found `TaskFuture[float]`  [invalid-argument-type]
# python   ok
# why      mypy, pyright, pyrefly, ty: plain types cannot say `X | Future[X]` for every parameter; write `ref(future)`
