"""Scan of accumulators into a task of a wrong type."""

from __future__ import annotations

from tests.typing.shop import add, numbers, upper

numbers.iter(n=3).scan(add, initial=0.0).then(upper)

# mypy     Argument 1 to "then" of "Items" has incompatible type "Task[[str], str]"; expected "Callable[[float], TaskFuture[str]]"  [arg-type]
# plugin   "then" gives "float" to parameter "text" of task "upper", which takes "str"  [arg-type]
# pyright  Argument of type "Task[(text: str), str]" cannot be assigned to parameter "task" of type "(float, **P@then) -> TaskFuture[U@then]" in function "then"  [reportArgumentType]
# pyrefly  Argument `Task[[text: str], str]` is not assignable to parameter `task` with type `(float, ParamSpec(@_)) -> TaskFuture[@_]` in function `daglite.futures.items.Items.then`  [bad-argument-type]
# ty       Argument to bound method `Items.then` is incorrect: Expected `(float, /, *args: Unknown, **kwargs: Unknown) -> TaskFuture[Unknown]`, found `Task[(text: str), str]`  [invalid-argument-type]
# python   ok
