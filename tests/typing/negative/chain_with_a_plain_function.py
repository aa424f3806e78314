"""Chain with a plain function."""

from __future__ import annotations

from tests.typing.shop import numbers

numbers.iter(n=3).then(str)

# mypy     Argument 1 to "then" of "Items" has incompatible type "type[str]"; expected "Callable[[int], TaskFuture[Never]]"  [arg-type]
# plugin   "then" needs a task; got class "str": write task(str)  [arg-type]
# pyright  Arguments for ParamSpec "P@then" are missing  [reportCallIssue]
# pyright  Argument of type "type[str]" cannot be assigned to parameter "task" of type "(int, **P@then) -> TaskFuture[U@then]" in function "then"  [reportArgumentType]
# pyrefly  Argument `type[str]` is not assignable to parameter `task` with type `(int, ParamSpec(@_)) -> TaskFuture[@_]` in function `daglite.futures.items.Items.then`  [bad-argument-type]
# ty       Argument to bound method `Items.then` is incorrect: Expected `(int, /, *args: Unknown, **kwargs: Unknown) -> TaskFuture[Unknown]`, found `<class 'str'>`  [invalid-argument-type]
# python   TaskError: `then` needs a task; got <class 'str'>; decorate the function with `@task` or wrap it: task(str)
