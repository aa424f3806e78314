"""Batch of items for a task that takes one."""

from __future__ import annotations

from tests.typing.shop import double, numbers

numbers.iter(n=3).batch(2).then(double)

# mypy     Argument 1 to "then" of "Items" has incompatible type "Task[[int], int]"; expected "Callable[[list[int]], TaskFuture[int]]"  [arg-type]
# plugin   "then" gives "list[int]" to parameter "x" of task "double", which takes "int"  [arg-type]
# pyright  Argument of type "Task[(x: int), int]" cannot be assigned to parameter "task" of type "(list[int], **P@then) -> TaskFuture[U@then]" in function "then"  [reportArgumentType]
# pyrefly  Argument `Task[[x: int], int]` is not assignable to parameter `task` with type `(list[int], ParamSpec(@_)) -> TaskFuture[@_]` in function `daglite.futures.items.Items.then`  [bad-argument-type]
# ty       Argument to bound method `Items.then` is incorrect: Expected `(list[int], /, *args: Unknown, **kwargs: Unknown) -> TaskFuture[Unknown]`, found `Task[(x: int), int]`  [invalid-argument-type]
# python   ok
