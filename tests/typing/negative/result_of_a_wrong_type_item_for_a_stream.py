"""Result of a wrong type: item for a stream."""

from __future__ import annotations

from tests.typing.shop import numbers

first: int = numbers.iter(n=3).run(runtime="inline")

# mypy     Incompatible types in assignment (expression has type "list[int]", variable has type "int")  [assignment]
# plugin   Incompatible types in assignment (expression has type "list[int]", variable has type "int")  [assignment]
# pyright  Type "list[int]" is not assignable to declared type "int"  [reportAssignmentType]
# pyrefly  `list[int]` is not assignable to `int`  [bad-assignment]
# ty       Object of type `list[int]` is not assignable to `int`  [invalid-assignment]
# python   ok
