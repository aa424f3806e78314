"""From_iterable of one value."""

from __future__ import annotations

import daglite

daglite.from_iterable(3)

# mypy     Argument 1 to "from_iterable" has incompatible type "int"; expected "Iterable[Never]"  [arg-type]
# plugin   Argument 1 to "from_iterable" has incompatible type "int"; expected "Iterable[Never]"  [arg-type]
# pyright  Argument of type "Literal[3]" cannot be assigned to parameter "items" of type "Iterable[T@from_iterable]" in function "from_iterable"  [reportArgumentType]
# pyrefly  Argument `Literal[3]` is not assignable to parameter `items` with type `Iterable[@_]` in function `daglite.futures.items.from_iterable`  [bad-argument-type]
# ty       Argument to function `from_iterable` is incorrect: Expected `Iterable[Unknown]`, found `Literal[3]`  [invalid-argument-type]
# python   ParameterError: `from_iterable` needs something that can be iterated; got 3
