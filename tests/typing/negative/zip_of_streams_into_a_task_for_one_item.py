"""Zip of streams into a task for one item."""

from __future__ import annotations

from tests.typing.shop import double, numbers

numbers.iter(n=3).zip(numbers.iter(n=2)).then(double)

# mypy     Argument 1 to "then" of "Items" has incompatible type "Task[[int], int]"; expected "Callable[[tuple[int, int]], TaskFuture[int]]"  [arg-type]
# plugin   "then" gives "tuple[int, int]" to parameter "x" of task "double", which takes "int"  [arg-type]
# pyright  Argument of type "Task[(x: int), int]" cannot be assigned to parameter "task" of type "(tuple[int, int], **P@then) -> TaskFuture[U@then]" in function "then"  [reportArgumentType]
# pyrefly  Argument `Task[[x: int], int]` is not assignable to parameter `task` with type `(tuple[int, int], ParamSpec(@_)) -> TaskFuture[@_]` in function `daglite.futures.items.Items.then`  [bad-argument-type]
# ty       Argument to bound method `Items.then` is incorrect: Expected `(tuple[int, int], /, *args: Unknown, **kwargs: Unknown) -> TaskFuture[Unknown]`, found `Task[(x: int), int]`  [invalid-argument-type]
# python   ok
