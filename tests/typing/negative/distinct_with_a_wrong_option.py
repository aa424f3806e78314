"""Distinct with a wrong option."""

from __future__ import annotations

from tests.typing.shop import numbers

numbers.iter(n=3).distinct(limit="many")

# mypy     Argument "limit" to "distinct" of "Items" has incompatible type "str"; expected "int"  [arg-type]
# plugin   Argument "limit" to "distinct" of "Items" has incompatible type "str"; expected "int"  [arg-type]
# pyright  Argument of type "Literal['many']" cannot be assigned to parameter "limit" of type "int" in function "distinct"  [reportArgumentType]
# pyrefly  Argument `Literal['many']` is not assignable to parameter `limit` with type `int` in function `daglite.futures.items.Items.distinct`  [bad-argument-type]
# ty       Argument to bound method `Items.distinct` is incorrect: Expected `int`, found `Literal["many"]`  [invalid-argument-type]
# python   ParameterError: `limit` of `distinct` must be a whole number >= 1; got 'many'
