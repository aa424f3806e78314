"""Batch with something else than a number."""

from __future__ import annotations

from tests.typing.shop import numbers

numbers.iter(n=3).batch(2.0)

# mypy     Argument 1 to "batch" of "Items" has incompatible type "float"; expected "int"  [arg-type]
# plugin   Argument 1 to "batch" of "Items" has incompatible type "float"; expected "int"  [arg-type]
# pyright  Argument of type "float" cannot be assigned to parameter "n" of type "int" in function "batch"  [reportArgumentType]
# pyrefly  Argument `float` is not assignable to parameter `n` with type `int` in function `daglite.futures.items.Items.batch`  [bad-argument-type]
# ty       Argument to bound method `Items.batch` is incorrect: Expected `int`, found `float*`  [invalid-argument-type]
# python   ParameterError: `n` of `batch` must be a whole number >= 1; got 2.0
