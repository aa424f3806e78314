"""Future used as a value: added."""

from __future__ import annotations

from tests.typing.shop import double

double(x=1) + 1

# mypy     Unsupported operand types for + ("TaskFuture[int]" and "int")  [operator]
# plugin   Unsupported operand types for + ("TaskFuture[int]" and "int")  [operator]
# pyright  Operator "+" not supported for types "TaskFuture[int]" and "Literal[1]"  [reportOperatorIssue]
# pyrefly  `+` is not supported between `TaskFuture[int]` and `Literal[1]`  [unsupported-operation]
# ty       Operator `+` is not supported between objects of type `TaskFuture[int]` and `Literal[1]`  [unsupported-operator]
# python   TypeError: TaskFuture(double) has no value yet: run it (`.run()`) or compile it (`daglite.compile(...)`); in another task call the plain function: double.fn(...)
