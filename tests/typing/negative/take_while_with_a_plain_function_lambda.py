"""Take_while with a plain function: lambda."""

from __future__ import annotations

from tests.typing.shop import numbers

numbers.iter(n=3).take_while(lambda x: x < 2)

# mypy     Argument 1 to "take_while" of "Items" has incompatible type "Callable[[int], bool]"; expected "Callable[[int], TaskFuture[bool]]"  [arg-type]
# mypy     Incompatible return value type (got "bool", expected "TaskFuture[bool]")  [return-value]
# plugin   "take_while" needs a task; got a lambda: write task(lambda ...)  [arg-type]
# pyright  Argument of type "(x: int) -> bool" cannot be assigned to parameter "task" of type "(int, **P@take_while) -> TaskFuture[bool]" in function "take_while"  [reportArgumentType]
# pyrefly  Argument `(x: int) -> bool` is not assignable to parameter `task` with type `(int, ...) -> TaskFuture[bool]` in function `daglite.futures.items.Items.take_while`  [bad-argument-type]
# ty       Argument to bound method `Items.take_while` is incorrect: Expected `(int, /, *args: Unknown, **kwargs: Unknown) -> TaskFuture[bool]`, found `(x: int) -> bool`  [invalid-argument-type]
# python   TaskError: `take_while` needs a task; got <function <lambda>>; decorate the function with `@task` or wrap it: task(lambda ...)
