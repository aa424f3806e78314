"""Methods: a task that gives Self."""

from __future__ import annotations

from typing import Self, assert_type

from daglite import TaskFuture, task


class Shop:
    @task
    def bought(self, x: int) -> Self:
        return self


assert_type(Shop.bought(Shop(), 1), TaskFuture[Shop])

# mypy     ok
# plugin   ok
# pyright  ok
# pyrefly  ok
# ty       Type `TaskFuture[Unknown]` does not match asserted type `TaskFuture[Shop]`  [type-assertion-failure]
# python   ok
# why      ty: `Self` behind a decorator is unknown
