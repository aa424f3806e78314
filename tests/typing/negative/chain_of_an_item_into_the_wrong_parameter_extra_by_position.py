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
# python   ok
