"""Chain of an item of a wrong type: a union."""

from __future__ import annotations

from daglite import task
from tests.typing.shop import rows


@task
def told(x: int | str) -> str:
    return str(x)


rows.iter(path="a").then(told)

# mypy     Argument 1 to "then" of "Items" has incompatible type "Task[[int | str], str]"; expected "Callable[[dict[str, str]], TaskFuture[str]]"  [arg-type]
# plugin   "then" gives "dict[str, str]" to parameter "x" of task "told", which takes "int | str"  [arg-type]
# pyright  Argument of type "Task[(x: int | str), str]" cannot be assigned to parameter "task" of type "(dict[str, str], **P@then) -> TaskFuture[U@then]" in function "then"  [reportArgumentType]
# pyrefly  Argument `Task[[x: int | str], str]` is not assignable to parameter `task` with type `(dict[str, str], ParamSpec(@_)) -> TaskFuture[@_]` in function `daglite.futures.items.Items.then`  [bad-argument-type]
# ty       Argument to bound method `Items.then` is incorrect: Expected `(dict[str, str], /, *args: Unknown, **kwargs: Unknown) -> TaskFuture[Unknown]`, found `Task[(x: int | str), str]`  [invalid-argument-type]
# python   ok
