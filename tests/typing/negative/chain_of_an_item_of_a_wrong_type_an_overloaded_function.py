"""Chain of an item of a wrong type: an overloaded function."""

from __future__ import annotations

from typing import overload

from daglite import task
from tests.typing.shop import rows


@overload
def either(x: int) -> int: ...
@overload
def either(x: str) -> str: ...
def either(x: int | str) -> int | str:
    return x


rows.iter(path="a").then(task(either))

# mypy     Argument 1 to "then" of "Items" has incompatible type "Task[[int], int]"; expected "Callable[[dict[str, str]], TaskFuture[int]]"  [arg-type]
# plugin   "then" gives "dict[str, str]" to parameter "x" of task "either", which takes "int"  [arg-type]
# pyright  Argument of type "Task[(x: int), int]" cannot be assigned to parameter "task" of type "(dict[str, str], **P@then) -> TaskFuture[U@then]" in function "then"  [reportArgumentType]
# pyrefly  Argument `Overloaded[Task[[x: int], int], Task[[x: str], str]]` is not assignable to parameter `task` with type `(dict[str, str], ParamSpec(@_)) -> TaskFuture[@_]` in function `daglite.futures.items.Items.then`  [bad-argument-type]
# ty       Argument to bound method `Items.then` is incorrect: Expected `(dict[str, str], /, *args: Unknown, **kwargs: Unknown) -> TaskFuture[Unknown]`, found `Task[Overload[(x: int) -> Unknown, (x: str) -> Unknown], int | str]`  [invalid-argument-type]
# python   ok
