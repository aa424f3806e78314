"""Call with a task instead of its future."""

from __future__ import annotations

from tests.typing.shop import count, double

double(x=count)

# mypy     Argument "x" to "__call__" of "BaseTask" has incompatible type "Task[[], int]"; expected "int"  [arg-type]
# plugin   Argument "x" to "double" has incompatible type "Task[[], int]"; expected "int | Future[int]"  [arg-type]
# pyright  Argument of type "Task[(), int]" cannot be assigned to parameter "x" of type "int" in function "__call__"  [reportArgumentType]
# pyrefly  Argument `Task[[], int]` is not assignable to parameter `x` with type `int` in function `daglite.tasks.BaseTask.__call__`  [bad-argument-type]
# ty       Argument to bound method `BaseTask.__call__` is incorrect: Expected `int`, found `Task[(), int]`  [invalid-argument-type]
# python   ok
