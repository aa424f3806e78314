"""Filter with a task that gives no bool: a generator."""

from __future__ import annotations

from tests.typing.shop import numbers

numbers.iter(n=3).filter(numbers)

# mypy     Argument 1 to "filter" of "Items" has incompatible type "StreamTask[[int], int]"; expected "Callable[[int], TaskFuture[bool]]"  [arg-type]
# plugin   "filter" needs a task that returns "bool"; task "numbers" returns "list[int]"  [arg-type]
# pyright  Argument of type "StreamTask[(n: int), int]" cannot be assigned to parameter "task" of type "(int, **P@filter) -> TaskFuture[bool]" in function "filter"  [reportArgumentType]
# pyrefly  Argument `StreamTask[[n: int], int]` is not assignable to parameter `task` with type `(int) -> TaskFuture[bool]` in function `daglite.futures.items.Items.filter`  [bad-argument-type]
# ty       Argument to bound method `Items.filter` is incorrect: Expected `(int, /, *args: Unknown, **kwargs: Unknown) -> TaskFuture[bool]`, found `StreamTask[(n: int), int]`  [invalid-argument-type]
# python   TaskError: `filter` needs a task that returns True or False; 'numbers' is a generator, whose list of items would be asked; give a task that returns a bool
