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
# python   ok
# why      plain types cannot say `X | Future[X]` for every parameter; write `ref(future)`
