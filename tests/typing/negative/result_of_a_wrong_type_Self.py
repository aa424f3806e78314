"""Result of a wrong type: Self."""

from __future__ import annotations

from typing import Self

from daglite import TaskFuture, task


class Shop:
    @task
    def bought(self, x: int) -> Self:
        return self


bought: TaskFuture[int] = Shop.bought(Shop(), 1)

# mypy     Incompatible types in assignment (expression has type "TaskFuture[Shop]", variable has type "TaskFuture[int]")  [assignment]
# plugin   Incompatible types in assignment (expression has type "TaskFuture[Shop]", variable has type "TaskFuture[int]")  [assignment]
# pyright  Type "TaskFuture[Shop]" is not assignable to declared type "TaskFuture[int]"  [reportAssignmentType]
# pyrefly  `TaskFuture[Shop]` is not assignable to `TaskFuture[int]`  [bad-assignment]
# ty       ok
# python   ok
# why      ty: `Self` behind a decorator is unknown
