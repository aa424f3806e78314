"""Chain of an item of a wrong type: an optional item."""

from __future__ import annotations

from daglite import task
from tests.typing.shop import double, numbers


@task
def found(x: int) -> int | None:
    return x or None


numbers.iter(n=3).then(found).then(double)

# mypy     Argument 1 to "then" of "Items" has incompatible type "Task[[int], int]"; expected "Callable[[int | None], TaskFuture[int]]"  [arg-type]
# plugin   "then" gives "int | None" to parameter "x" of task "double", which takes "int"  [arg-type]
# pyright  Argument of type "Task[(x: int), int]" cannot be assigned to parameter "task" of type "(int | None, **P@then) -> TaskFuture[U@then]" in function "then"  [reportArgumentType]
# pyrefly  Argument `Task[[x: int], int]` is not assignable to parameter `task` with type `(int | None, ParamSpec(@_)) -> TaskFuture[@_]` in function `daglite.futures.items.Items.then`  [bad-argument-type]
# ty       Argument to bound method `Items.then` is incorrect: Expected `(int | None, /, *args: Unknown, **kwargs: Unknown) -> TaskFuture[Unknown]`, found `Task[(x: int), int]`  [invalid-argument-type]
# python   ok
