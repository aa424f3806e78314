"""Future used as a value: len."""

from __future__ import annotations

from tests.typing.shop import numbers

len(numbers.iter(n=3))

# mypy     Argument 1 to "len" has incompatible type "IterFuture[int]"; expected "Sized"  [arg-type]
# plugin   Argument 1 to "len" has incompatible type "IterFuture[int]"; expected "Sized"  [arg-type]
# pyright  Argument of type "IterFuture[int]" cannot be assigned to parameter "obj" of type "Sized" in function "len"  [reportArgumentType]
# pyrefly  Argument `IterFuture[int]` is not assignable to parameter `obj` with type `Sized` in function `len`  [bad-argument-type]
# ty       Argument to function `len` is incorrect: Expected `Sized`, found `IterFuture[int]`  [invalid-argument-type]
# python   TypeError: IterFuture(numbers) has no value yet: run it (`.run()`) or compile it (`daglite.compile(...)`)
