"""Join with an item task."""

from __future__ import annotations

from tests.typing.shop import double, numbers

numbers.iter(n=3).join(double)

# mypy     Argument 1 to "join" of "Items" has incompatible type "Task[[int], int]"; expected "Callable[[list[int]], TaskFuture[int]]"  [arg-type]
# plugin   "join" gives "list[int]" to parameter "x" of task "double", which takes "int"; use ".then" to give it one item at a time  [arg-type]
# pyright  Argument of type "Task[(x: int), int]" cannot be assigned to parameter "task" of type "(list[int], **P@join) -> TaskFuture[U@join]" in function "join"  [reportArgumentType]
# pyrefly  Argument `Task[[x: int], int]` is not assignable to parameter `task` with type `(list[int], ParamSpec(@_)) -> TaskFuture[@_]` in function `daglite.futures.items.Items.join`  [bad-argument-type]
# ty       Argument to bound method `Items.join` is incorrect: Expected `(list[int], /, *args: Unknown, **kwargs: Unknown) -> TaskFuture[Unknown]`, found `Task[(x: int), int]`  [invalid-argument-type]
# python   ok
