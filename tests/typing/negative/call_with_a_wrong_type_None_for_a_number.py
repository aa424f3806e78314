"""Call with a wrong type: None for a number."""

from __future__ import annotations

from tests.typing.shop import double

double(x=None)

# mypy     Argument "x" to "__call__" of "BaseTask" has incompatible type "None"; expected "int"  [arg-type]
# plugin   Argument "x" to "double" has incompatible type "None"; expected "int | Future[int]"  [arg-type]
# pyright  Argument of type "None" cannot be assigned to parameter "x" of type "int" in function "__call__"  [reportArgumentType]
# pyrefly  Argument `None` is not assignable to parameter `x` with type `int` in function `daglite.tasks.BaseTask.__call__`  [bad-argument-type]
# ty       Argument to bound method `BaseTask.__call__` is incorrect: Expected `int`, found `None`  [invalid-argument-type]
# python   ok
