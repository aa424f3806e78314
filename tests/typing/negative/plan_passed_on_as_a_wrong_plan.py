"""Plan passed on as a wrong plan."""

from __future__ import annotations

from daglite import Plan, compile
from tests.typing.shop import double

plan: Plan[str] = compile(double(x=1))

# mypy     Argument 1 to "compile" has incompatible type "TaskFuture[int]"; expected "Pipeline[str]"  [arg-type]
# plugin   Argument 1 to "compile" has incompatible type "TaskFuture[int]"; expected "Pipeline[str]"  [arg-type]
# pyright  Type "Plan[int]" is not assignable to declared type "Plan[str]"  [reportAssignmentType]
# pyrefly  `Plan[int]` is not assignable to `Plan[str]`  [bad-assignment]
# ty       Object of type `Plan[int]` is not assignable to `Plan[str]`  [invalid-assignment]
# python   ok
