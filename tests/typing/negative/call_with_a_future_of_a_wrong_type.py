"""Call with a future of a wrong type."""

from __future__ import annotations

from tests.typing.shop import double, upper

double(x=upper(text="a"))

# mypy     Argument "x" to "__call__" of "BaseTask" has incompatible type "TaskFuture[str]"; expected "int"  [arg-type]
# plugin   Argument "x" to "double" has incompatible type "TaskFuture[str]"; expected "int | Future[int]"  [arg-type]
# pyright  Argument of type "TaskFuture[str]" cannot be assigned to parameter "x" of type "int" in function "__call__"  [reportArgumentType]
# python   ok
