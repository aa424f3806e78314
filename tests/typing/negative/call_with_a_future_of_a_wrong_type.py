"""Call with a future of a wrong type."""

from __future__ import annotations

from tests.typing.shop import double, upper

double(x=upper(text="a"))

# mypy     Argument "x" to "__call__" of "BaseTask" has incompatible type "TaskFuture[str]"; expected "int"  [arg-type]
# plugin   Argument "x" to "double" has incompatible type "TaskFuture[str]"; expected "int | Future[int]"  [arg-type]
# pyright  Argument of type "TaskFuture[str]" cannot be assigned to parameter "x" of type "int" in function "__call__"  [reportArgumentType]
# pyrefly  Argument `TaskFuture[str]` is not assignable to parameter `x` with type `int` in function `daglite.tasks.BaseTask.__call__`  [bad-argument-type]
# ty       Argument to bound method `BaseTask.__call__` is incorrect: Expected `int`, found `TaskFuture[str]`  [invalid-argument-type]
# python   ok
