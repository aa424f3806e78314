"""Chain with a list task."""

from __future__ import annotations

from tests.typing.shop import numbers, total

numbers.iter(n=3).then(total)

# mypy     Argument 1 to "then" of "Items" has incompatible type "Task[[list[int]], int]"; expected "Callable[[int], TaskFuture[int]]"  [arg-type]
# plugin   "then" gives "int" to parameter "values" of task "total", which takes "list[int]"; use ".join" to give it the list of all items  [arg-type]
# pyright  Argument of type "Task[(values: list[int]), int]" cannot be assigned to parameter "task" of type "(int, **P@then) -> TaskFuture[U@then]" in function "then"  [reportArgumentType]
# pyrefly  Argument `Task[[values: list[int]], int]` is not assignable to parameter `task` with type `(int, ParamSpec(@_)) -> TaskFuture[@_]` in function `daglite.futures.items.Items.then`  [bad-argument-type]
# ty       Argument to bound method `Items.then` is incorrect: Expected `(int, /, *args: Unknown, **kwargs: Unknown) -> TaskFuture[Unknown]`, found `Task[(values: list[int]), int]`  [invalid-argument-type]
# python   ok
