"""Take_while with a task that gives no bool."""

from __future__ import annotations

from tests.typing.shop import double, numbers

numbers.iter(n=3).take_while(double)

# mypy     Argument 1 to "take_while" of "Items" has incompatible type "Task[[int], int]"; expected "Callable[[int], TaskFuture[bool]]"  [arg-type]
# plugin   "take_while" needs a task that returns "bool"; task "double" returns "int"  [arg-type]
# pyright  Argument of type "Task[(x: int), int]" cannot be assigned to parameter "task" of type "(int, **P@take_while) -> TaskFuture[bool]" in function "take_while"  [reportArgumentType]
# pyrefly  Argument `Task[[x: int], int]` is not assignable to parameter `task` with type `(int) -> TaskFuture[bool]` in function `daglite.futures.items.Items.take_while`  [bad-argument-type]
# ty       Argument to bound method `Items.take_while` is incorrect: Expected `(int, /, *args: Unknown, **kwargs: Unknown) -> TaskFuture[bool]`, found `Task[(x: int), int]`  [invalid-argument-type]
# python   ok
