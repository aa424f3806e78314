"""Join of a list of a wrong type."""

from __future__ import annotations

from tests.typing.shop import total, words

words.iter(text="a b").join(total)

# mypy     Argument 1 to "join" of "Items" has incompatible type "Task[[list[int]], int]"; expected "Callable[[list[str]], TaskFuture[int]]"  [arg-type]
# plugin   "join" gives "list[str]" to parameter "values" of task "total", which takes "list[int]"  [arg-type]
# pyright  Argument of type "Task[(values: list[int]), int]" cannot be assigned to parameter "task" of type "(list[str], **P@join) -> TaskFuture[U@join]" in function "join"  [reportArgumentType]
# pyrefly  Argument `Task[[values: list[int]], int]` is not assignable to parameter `task` with type `(list[str], ParamSpec(@_)) -> TaskFuture[@_]` in function `daglite.futures.items.Items.join`  [bad-argument-type]
# ty       Argument to bound method `Items.join` is incorrect: Expected `(list[str], /, *args: Unknown, **kwargs: Unknown) -> TaskFuture[Unknown]`, found `Task[(values: list[int]), int]`  [invalid-argument-type]
# python   ok
