"""Max with a key of a wrong type."""

from __future__ import annotations

from tests.typing.shop import numbers

numbers.iter(n=3).max(key="size")

# mypy     No overload variant of "max" of "Foldable" matches argument type "str"  [call-overload]
# plugin   No overload variant of "max" of "Foldable" matches argument type "str"  [call-overload]
# pyright  Argument of type "Literal['size']" cannot be assigned to parameter "key" of type "(int) -> Comparable" in function "max"  [reportArgumentType]
# pyrefly  No matching overload found for function `daglite.futures.folds.Foldable.max` called with arguments: (key=Literal['size'])  [no-matching-overload]
# ty       Argument to bound method `Foldable.max` is incorrect: Expected `(int, /) -> Comparable`, found `Literal["size"]`  [invalid-argument-type]
# python   ParameterError: `key` of `max` must be a plain function of one item; got 'size'
