"""Iter with a wrong type."""

from __future__ import annotations

from tests.typing.shop import numbers

numbers.iter(n="3")

# mypy     Argument "n" to "iter" of "StreamTask" has incompatible type "str"; expected "int"  [arg-type]
# plugin   Argument "n" to "numbers.iter" has incompatible type "str"; expected "int | Future[int]"  [arg-type]
# pyright  Argument of type "Literal['3']" cannot be assigned to parameter "n" of type "int" in function "iter"  [reportArgumentType]
# pyrefly  Argument `Literal['3']` is not assignable to parameter `n` with type `int` in function `daglite.tasks.StreamTask.iter`  [bad-argument-type]
# ty       Argument to bound method `StreamTask.iter` is incorrect: Expected `int`, found `Literal["3"]`  [invalid-argument-type]
# python   ok
