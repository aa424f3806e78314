"""Reduce with an option of a wrong type."""

from __future__ import annotations

from tests.typing.shop import add, numbers

numbers.iter(n=3).reduce(add, initial=0.0, ordered="no")

# mypy     Argument "ordered" to "reduce" of "Foldable" has incompatible type "str"; expected "bool"  [arg-type]
# plugin   Argument "ordered" to "reduce(add)" has incompatible type "str"; expected "bool"  [arg-type]
# pyright  Argument of type "Literal['no']" cannot be assigned to parameter "ordered" of type "bool" in function "reduce"  [reportArgumentType]
# pyrefly  Argument `Literal['no']` is not assignable to parameter `ordered` with type `bool` in function `daglite.futures.folds.Foldable.reduce`  [bad-argument-type]
# ty       Argument to bound method `Foldable.reduce` is incorrect: Expected `bool`, found `Literal["no"]`  [invalid-argument-type]
# python   ParameterError: `ordered` of `reduce` with task 'add' must be a bool; got 'no'
