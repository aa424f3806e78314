"""Methods."""

from __future__ import annotations

from typing import Self, assert_type

from daglite import MapTaskFuture, TaskFuture, task
from tests.typing.shop import count, numbers


class Shop:
    def __init__(self, tax: float) -> None:
        self.tax = tax

    def price(self, x: float) -> float:
        return x * self.tax

    def bought(self, x: int) -> Self:
        return self

    @task
    def inside(self, x: int) -> int:
        return x

    @staticmethod
    @task
    def outside(x: int) -> int:
        return x

    @classmethod
    def made(cls, tax: float) -> Self:
        return cls(tax)


shop = Shop(1.2)
assert_type(numbers.iter(n=3).then(task(shop.price)), MapTaskFuture[float])
assert_type(task(shop.bought)(x=1), TaskFuture[Shop])
assert_type(task(Shop.made)(tax=1.0), TaskFuture[Shop])
assert_type(Shop.outside(x=count()), TaskFuture[int])
assert_type(numbers.iter(n=3).then(Shop.outside), MapTaskFuture[int])
assert_type(shop.inside(shop, 1), TaskFuture[int])
assert_type(Shop.inside.partial(self=shop)(x=1), TaskFuture[int])

# mypy     Argument "x" to "__call__" of "BaseTask" has incompatible type "TaskFuture[int]"; expected "int"  [arg-type]
# plugin   ok
# pyright  Argument of type "TaskFuture[int]" cannot be assigned to parameter "x" of type "int" in function "__call__"  [reportArgumentType]
# pyrefly  Argument `TaskFuture[int]` is not assignable to parameter `x` with type `int` in function `daglite.tasks.BaseTask.__call__`  [bad-argument-type]
# ty       Argument to bound method `BaseTask.__call__` is incorrect: Expected `int`, found `TaskFuture[int]`  [invalid-argument-type]
# python   ok
# why      mypy, pyright, pyrefly, ty: plain types cannot say `X | Future[X]` for every parameter; write `ref(future)`
