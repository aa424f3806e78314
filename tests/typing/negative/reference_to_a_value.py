"""Reference to a value."""

from __future__ import annotations

from daglite import ref

ref(3)

# mypy     Argument 1 to "ref" has incompatible type "int"; expected "Future[Never]"  [arg-type]
# plugin   Argument 1 to "ref" has incompatible type "int"; expected "Future[Never]"  [arg-type]
# pyright  Argument of type "Literal[3]" cannot be assigned to parameter "future" of type "Future[T@ref]" in function "ref"  [reportArgumentType]
# pyrefly  Argument `Literal[3]` is not assignable to parameter `future` with type `Future[@_]` in function `daglite.futures.values.ref`  [bad-argument-type]
# ty       Argument to function `ref` is incorrect: Expected `Future[Unknown]`, found `Literal[3]`  [invalid-argument-type]
# python   TaskError: `ref` needs a future; got 3; give a value as it is
