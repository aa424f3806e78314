"""Attempt whose failed items are forgotten."""

from __future__ import annotations

from tests.typing.shop import numbers, scale

numbers.iter(n=3).attempt(scale, factor=2.0).then(scale, factor=2.0)

# mypy     Argument 1 to "then" of "Items" has incompatible type "Task[[float, float], float]"; expected "Callable[[float | Failed[int], float], TaskFuture[float]]"  [arg-type]
# plugin   "then" gives "float | Failed[int]" to parameter "x" of task "scale", which takes "float"  [arg-type]
# pyright  Argument of type "Task[(x: float, factor: float), float]" cannot be assigned to parameter "task" of type "(float | Failed[int], **P@then) -> TaskFuture[U@then]" in function "then"  [reportArgumentType]
# pyrefly  Argument `Task[[x: float, factor: float], float]` is not assignable to parameter `task` with type `(Failed[int] | float, ParamSpec(@_)) -> TaskFuture[@_]` in function `daglite.futures.items.Items.then`  [bad-argument-type]
# ty       Argument to bound method `Items.then` is incorrect: Expected `(float | Failed[int], /, *args: Unknown, **kwargs: Unknown) -> TaskFuture[Unknown]`, found `Task[(x: float, factor: float), float]`  [invalid-argument-type]
# python   ok
