"""Task passed on as a wrong task."""

from __future__ import annotations

from daglite import Task
from tests.typing.shop import double

step: Task[[str], str] = double

# mypy     Incompatible types in assignment (expression has type "Task[[int], int]", variable has type "Task[[str], str]")  [assignment]
# plugin   Incompatible types in assignment (expression has type "Task[[int], int]", variable has type "Task[[str], str]")  [assignment]
# pyright  Type "Task[(x: int), int]" is not assignable to declared type "Task[(str), str]"  [reportAssignmentType]
# pyrefly  `Task[[x: int], int]` is not assignable to `Task[[str], str]`  [bad-assignment]
# ty       Object of type `Task[(x: int), int]` is not assignable to `Task[(str, /), str]`  [invalid-assignment]
# python   ok
