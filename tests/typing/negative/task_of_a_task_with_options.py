"""Task of a task: with options."""

from __future__ import annotations

from daglite import task
from tests.typing.shop import double

task(retries=2)(double)

# mypy     ok
# plugin   Argument 1 to "__call__" of "TaskDecorator" has incompatible type "Task[[int], int]"; expected "Callable[[int], Coroutine[Any, Any, Never]]"  [arg-type]
# plugin   "double" is a task already; use ".with_options(...)" to change its options  [arg-type]
# pyright  ok
# pyrefly  ok
# ty       ok
# python   TaskError: Task(double) is a task already; use `.with_options(...)` to change its options
# why      mypy, pyright, pyrefly, ty: to plain types a task is a function like any other
