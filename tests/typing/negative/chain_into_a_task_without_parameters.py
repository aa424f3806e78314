"""Chain into a task without parameters."""

from __future__ import annotations

from tests.typing.shop import count, numbers

numbers.iter(n=3).then(count)

# mypy     Argument 1 to "then" of "Items" has incompatible type "Task[[], int]"; expected "Callable[[int], TaskFuture[int]]"  [arg-type]
# plugin   "then" needs a parameter of task "count" that nothing else fills; it has none  [call-arg]
# pyright  Argument of type "Task[(), int]" cannot be assigned to parameter "task" of type "(int, **P@then) -> TaskFuture[U@then]" in function "then"  [reportArgumentType]
# pyrefly  Argument `Task[[], int]` is not assignable to parameter `task` with type `(int, ParamSpec(@_)) -> TaskFuture[@_]` in function `daglite.futures.items.Items.then`  [bad-argument-type]
# ty       Argument to bound method `Items.then` is incorrect: Expected `(int, /, *args: Unknown, **kwargs: Unknown) -> TaskFuture[Unknown]`, found `Task[(), int]`  [invalid-argument-type]
# python   ParameterError: `then` needs a parameter of task 'count' that nothing else fills; free: none
