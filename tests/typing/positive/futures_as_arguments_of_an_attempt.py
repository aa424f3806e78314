"""Futures as arguments: of an attempt."""

from __future__ import annotations

from typing import assert_type

from daglite import Failed, MapTaskFuture
from tests.typing.shop import count, numbers, scale

assert_type(numbers.iter(n=3).attempt(scale, factor=count()), MapTaskFuture[float | Failed[int]])

# mypy     Argument "factor" to "attempt" of "Items" has incompatible type "TaskFuture[int]"; expected "float"  [arg-type]
# plugin   ok
# pyright  Argument of type "TaskFuture[int]" cannot be assigned to parameter "factor" of type "float"  [reportArgumentType]
# pyrefly  assert_type(Unknown, MapTaskFuture[Failed[int] | float]) failed  [assert-type]
# pyrefly  No matching overload found for function `daglite.futures.items.Items.attempt` called with arguments: (Task[[x: float, factor: float], float], factor=TaskFuture[int])  [no-matching-overload]
# ty       Type `Unknown` does not match asserted type `MapTaskFuture[float | Failed[int]]`  [type-assertion-failure]
# ty       No overload of bound method `Items.attempt` matches arguments  [no-matching-overload]
# python   ok
# why      mypy, pyright, pyrefly, ty: plain types cannot say `X | Future[X]` for every parameter; write `ref(future)`
