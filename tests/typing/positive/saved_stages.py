"""Saved stages."""

from __future__ import annotations

from typing import assert_type

from daglite import MapTaskFuture, Plan, compile
from tests.typing.shop import count, double, numbers, scale

assert_type(numbers.iter(n=3).save("n_{iteration_index}").then(double), MapTaskFuture[int])
assert_type(compile(numbers.iter(n=3).then(scale, factor=count())), Plan[list[float]])

# mypy     Argument "factor" to "then" of "Items" has incompatible type "TaskFuture[int]"; expected "float"  [arg-type]
# plugin   ok
# pyright  Argument of type "TaskFuture[int]" cannot be assigned to parameter "factor" of type "float"  [reportArgumentType]
# pyrefly  Argument `TaskFuture[int]` is not assignable to parameter `factor` with type `float` in function `daglite.futures.items.Items.then`  [bad-argument-type]
# ty       Argument to bound method `Items.then` is incorrect: Expected `float`, found `TaskFuture[int]`  [invalid-argument-type]
# python   ok
# why      mypy, pyright, pyrefly, ty: plain types cannot say `X | Future[X]` for every parameter; write `ref(future)`
