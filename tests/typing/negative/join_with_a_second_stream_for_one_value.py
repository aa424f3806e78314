"""Join with a second stream for one value."""

from __future__ import annotations

from daglite import task
from tests.typing.shop import numbers


@task
def nearest(values: list[int], to: int) -> int:
    return min(values, key=lambda value: abs(value - to))


numbers.iter(n=3).join(nearest, numbers.iter(n=3))

# mypy     Argument 2 to "join" of "Items" has incompatible type "IterFuture[int]"; expected "int"  [arg-type]
# plugin   Argument 2 to "join(nearest)" has incompatible type "IterFuture[int]"; expected "int | Future[int]"  [arg-type]
# pyright  Argument of type "IterFuture[int]" cannot be assigned to parameter "to" of type "int"  [reportArgumentType]
# pyrefly  Argument `IterFuture[int]` is not assignable to parameter `to` with type `int` in function `daglite.futures.items.Items.join`  [bad-argument-type]
# ty       Argument to bound method `Items.join` is incorrect: Expected `int`, found `IterFuture[int]`  [invalid-argument-type]
# python   ok
