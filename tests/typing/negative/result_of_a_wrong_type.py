"""Result of a wrong type."""

from __future__ import annotations

from tests.typing.shop import double

value: str = double(x=1).run(runtime="inline")

# mypy     Incompatible types in assignment (expression has type "int", variable has type "str")  [assignment]
# plugin   Incompatible types in assignment (expression has type "int", variable has type "str")  [assignment]
# pyright  Type "int" is not assignable to declared type "str"  [reportAssignmentType]
# pyrefly  `int` is not assignable to `str`  [bad-assignment]
# ty       Object of type `int` is not assignable to `str`  [invalid-assignment]
# python   ok
