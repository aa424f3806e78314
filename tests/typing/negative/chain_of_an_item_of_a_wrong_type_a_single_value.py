"""Chain of an item of a wrong type: a single value."""

from __future__ import annotations

from tests.typing.shop import count, upper

count().then(upper)

# mypy     Argument 1 to "then" of "TaskFuture" has incompatible type "Task[[str], str]"; expected "Callable[[int], TaskFuture[str]]"  [arg-type]
# plugin   "then" gives "int" to parameter "text" of task "upper", which takes "str"  [arg-type]
# pyright  Argument of type "Task[(text: str), str]" cannot be assigned to parameter "task" of type "(int, **P@then) -> TaskFuture[U@then]" in function "then"  [reportArgumentType]
# pyrefly  Argument `Task[[text: str], str]` is not assignable to parameter `task` with type `(int, ParamSpec(@_)) -> TaskFuture[@_]` in function `daglite.futures.values.TaskFuture.then`  [bad-argument-type]
# ty       Argument to bound method `TaskFuture.then` is incorrect: Expected `(int, /, *args: Unknown, **kwargs: Unknown) -> TaskFuture[Unknown]`, found `Task[(text: str), str]`  [invalid-argument-type]
# python   ok
