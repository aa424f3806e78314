"""Chain with a future."""

from __future__ import annotations

from tests.typing.shop import double, numbers

numbers.iter(n=3).then(double(x=1))

# mypy     Argument 1 to "then" of "Items" has incompatible type "TaskFuture[int]"; expected "Callable[[int], TaskFuture[Never]]"  [arg-type]
# plugin   "then" needs a task; got a call of it, which is a future: write ".then(double, ...)", with what else it takes as extras  [arg-type]
# pyright  Arguments for ParamSpec "P@then" are missing  [reportCallIssue]
# pyright  Argument of type "TaskFuture[int]" cannot be assigned to parameter "task" of type "(int, **P@then) -> TaskFuture[U@then]" in function "then"  [reportArgumentType]
# pyrefly  Argument `TaskFuture[int]` is not assignable to parameter `task` with type `(int, ParamSpec(@_)) -> TaskFuture[@_]` in function `daglite.futures.items.Items.then`  [bad-argument-type]
# ty       Argument to bound method `Items.then` is incorrect: Expected `(int, /, *args: Unknown, **kwargs: Unknown) -> TaskFuture[Unknown]`, found `TaskFuture[int]`  [invalid-argument-type]
# python   TaskError: `then` needs a task; got TaskFuture(double), which a call has made; give the task itself, with its other arguments after it: .then(task, name=value)
