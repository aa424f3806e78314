"""Filter with a plain function: lambda."""

from __future__ import annotations

from tests.typing.shop import numbers

numbers.iter(n=3).filter(lambda x: x > 1)

# mypy     Argument 1 to "filter" of "Items" has incompatible type "Callable[[int], bool]"; expected "Callable[[int], TaskFuture[bool]]"  [arg-type]
# mypy     Incompatible return value type (got "bool", expected "TaskFuture[bool]")  [return-value]
# plugin   "filter" needs a task; got a lambda: write task(lambda ...)  [arg-type]
# pyright  Argument of type "(x: int) -> bool" cannot be assigned to parameter "task" of type "(int, **P@filter) -> TaskFuture[bool]" in function "filter"  [reportArgumentType]
# pyrefly  Argument `(x: int) -> bool` is not assignable to parameter `task` with type `(int, ...) -> TaskFuture[bool]` in function `daglite.futures.items.Items.filter`  [bad-argument-type]
# ty       Argument to bound method `Items.filter` is incorrect: Expected `(int, /, *args: Unknown, **kwargs: Unknown) -> TaskFuture[bool]`, found `(x: int) -> bool`  [invalid-argument-type]
# python   TaskError: `filter` needs a task; got <function <lambda>>; decorate the function with `@task` or wrap it: task(lambda ...)
