"""Chain of an item into the wrong parameter: extra by position."""

from __future__ import annotations

from tests.typing.shop import numbers, prefixed

numbers.iter(n=3).then(prefixed, "n")

# mypy     Argument 1 to "then" of "Items" has incompatible type "Task[[str, int], str]"; expected "Callable[[int, int], TaskFuture[str]]"  [arg-type]
# mypy     Argument 2 to "then" of "Items" has incompatible type "str"; expected "int"  [arg-type]
# plugin   "then" gives "int" to parameter "prefix" of task "prefixed", which takes "str"; to give it to "x", fix "prefix" with ".partial" or as an extra  [arg-type]
# plugin   Argument 2 to "then(prefixed)" has incompatible type "str"; expected "int | Future[int]"  [arg-type]
# pyright  Argument of type "Task[(prefix: str, x: int), str]" cannot be assigned to parameter "task" of type "(int, **P@then) -> TaskFuture[U@then]" in function "then"  [reportArgumentType]
# pyright  Argument of type "Literal['n']" cannot be assigned to parameter "x" of type "int"  [reportArgumentType]
# pyrefly  Argument `Task[[prefix: str, x: int], str]` is not assignable to parameter `task` with type `(int, ParamSpec(@_)) -> TaskFuture[@_]` in function `daglite.futures.items.Items.then`  [bad-argument-type]
# ty       Argument to bound method `Items.then` is incorrect: Expected `(int, /, *args: Unknown, **kwargs: Unknown) -> TaskFuture[Unknown]`, found `Task[(prefix: str, x: int), str]`  [invalid-argument-type]
# python   ok
