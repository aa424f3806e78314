"""Chain with a plain function: lambda."""

from __future__ import annotations

from tests.typing.shop import numbers

numbers.iter(n=3).then(lambda x: x)

# mypy     Argument 1 to "then" of "Items" has incompatible type "Callable[[int], int]"; expected "Callable[[int], TaskFuture[Any]]"  [arg-type]
# mypy     Incompatible return value type (got "int", expected "TaskFuture[Any]")  [return-value]
# plugin   "then" needs a task; got a lambda: write task(lambda ...)  [arg-type]
# pyright  Argument of type "(x: int) -> int" cannot be assigned to parameter "task" of type "(int, **P@then) -> TaskFuture[U@then]" in function "then"  [reportArgumentType]
# pyrefly  Argument `(x: int) -> int` is not assignable to parameter `task` with type `(int, ...) -> TaskFuture[@_]` in function `daglite.futures.items.Items.then`  [bad-argument-type]
# ty       Argument to bound method `Items.then` is incorrect: Expected `(int, /, *args: Unknown, **kwargs: Unknown) -> TaskFuture[Unknown]`, found `(x: int) -> int`  [invalid-argument-type]
# python   TaskError: `then` needs a task; got <function <lambda>>; decorate the function with `@task` or wrap it: task(lambda ...)
