"""Call with a wrong type."""

from __future__ import annotations

from tests.typing.shop import double

double(x="3")

# mypy     Argument "x" to "__call__" of "BaseTask" has incompatible type "str"; expected "int"  [arg-type]
# plugin   Argument "x" to "double" has incompatible type "str"; expected "int | Future[int]"  [arg-type]
# pyright  Argument of type "Literal['3']" cannot be assigned to parameter "x" of type "int" in function "__call__"  [reportArgumentType]
# pyrefly  Argument `Literal['3']` is not assignable to parameter `x` with type `int` in function `daglite.tasks.BaseTask.__call__`  [bad-argument-type]
# ty       Argument to bound method `BaseTask.__call__` is incorrect: Expected `int`, found `Literal["3"]`  [invalid-argument-type]
# python   ok
