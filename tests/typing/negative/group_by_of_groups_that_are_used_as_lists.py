"""Group_by of groups that are used as lists."""

from __future__ import annotations

from tests.typing.shop import double, numbers, total

numbers.iter(n=3).group_by(double).then(total)

# mypy     Argument 1 to "then" of "Items" has incompatible type "Task[[list[int]], int]"; expected "Callable[[tuple[int, list[int]]], TaskFuture[int]]"  [arg-type]
# plugin   "then" gives "tuple[int, list[int]]" to parameter "values" of task "total", which takes "list[int]"  [arg-type]
# pyright  Argument of type "Task[(values: list[int]), int]" cannot be assigned to parameter "task" of type "(tuple[int, list[int]], **P@then) -> TaskFuture[U@then]" in function "then"  [reportArgumentType]
# pyrefly  Argument `Task[[values: list[int]], int]` is not assignable to parameter `task` with type `(tuple[int, list[int]], ParamSpec(@_)) -> TaskFuture[@_]` in function `daglite.futures.items.Items.then`  [bad-argument-type]
# ty       Argument to bound method `Items.then` is incorrect: Expected `(tuple[int, list[int]], /, *args: Unknown, **kwargs: Unknown) -> TaskFuture[Unknown]`, found `Task[(values: list[int]), int]`  [invalid-argument-type]
# python   ok
