"""Chain of an item of a wrong type: dict values."""

from __future__ import annotations

from tests.typing.shop import rows, upper

rows.iter(path="a").then(upper)

# mypy     Argument 1 to "then" of "Items" has incompatible type "Task[[str], str]"; expected "Callable[[dict[str, str]], TaskFuture[str]]"  [arg-type]
# plugin   "then" gives "dict[str, str]" to parameter "text" of task "upper", which takes "str"  [arg-type]
# pyright  Argument of type "Task[(text: str), str]" cannot be assigned to parameter "task" of type "(dict[str, str], **P@then) -> TaskFuture[U@then]" in function "then"  [reportArgumentType]
# pyrefly  Argument `Task[[text: str], str]` is not assignable to parameter `task` with type `(dict[str, str], ParamSpec(@_)) -> TaskFuture[@_]` in function `daglite.futures.items.Items.then`  [bad-argument-type]
# ty       Argument to bound method `Items.then` is incorrect: Expected `(dict[str, str], /, *args: Unknown, **kwargs: Unknown) -> TaskFuture[Unknown]`, found `Task[(text: str), str]`  [invalid-argument-type]
# python   ok
