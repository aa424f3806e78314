"""Result of a wrong type: list for a fold."""

from __future__ import annotations

from tests.typing.shop import add, numbers

values: list[float] = numbers.iter(n=3).reduce(add, initial=0.0).run(runtime="inline")

# mypy     Incompatible types in assignment (expression has type "float", variable has type "list[float]")  [assignment]
# plugin   Incompatible types in assignment (expression has type "float", variable has type "list[float]")  [assignment]
# pyright  Type "float" is not assignable to declared type "list[float]"  [reportAssignmentType]
# pyrefly  `float` is not assignable to `list[float]`  [bad-assignment]
# ty       Object of type `float` is not assignable to `list[float]`  [invalid-assignment]
# python   ok
