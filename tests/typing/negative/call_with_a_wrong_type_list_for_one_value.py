"""Call with a wrong type: list for one value."""

from __future__ import annotations

from tests.typing.shop import double

double(x=[1, 2])

# mypy     Argument "x" to "__call__" of "BaseTask" has incompatible type "list[int]"; expected "int"  [arg-type]
# plugin   Argument "x" to "double" has incompatible type "list[int]"; expected "int | Future[int]"  [arg-type]
# pyright  Argument of type "list[int]" cannot be assigned to parameter "x" of type "int" in function "__call__"  [reportArgumentType]
# pyrefly  Argument `list[int]` is not assignable to parameter `x` with type `int` in function `daglite.tasks.BaseTask.__call__`  [bad-argument-type]
# ty       Argument to bound method `BaseTask.__call__` is incorrect: Expected `int`, found `list[int]`  [invalid-argument-type]
# python   ok
