"""Call with a future of a wrong type: an int for a text."""

from __future__ import annotations

from tests.typing.shop import count, upper

upper(text=count())

# mypy     Argument "text" to "__call__" of "BaseTask" has incompatible type "TaskFuture[int]"; expected "str"  [arg-type]
# plugin   Argument "text" to "upper" has incompatible type "TaskFuture[int]"; expected "str | Future[str]"  [arg-type]
# pyright  Argument of type "TaskFuture[int]" cannot be assigned to parameter "text" of type "str" in function "__call__"  [reportArgumentType]
# pyrefly  Argument `TaskFuture[int]` is not assignable to parameter `text` with type `str` in function `daglite.tasks.BaseTask.__call__`  [bad-argument-type]
# ty       Argument to bound method `BaseTask.__call__` is incorrect: Expected `str`, found `TaskFuture[int]`  [invalid-argument-type]
# python   ok
