"""Attempt with a plain function: lambda."""

from __future__ import annotations

from tests.typing.shop import numbers

numbers.iter(n=3).attempt(lambda x: x * 2)

# mypy     Argument 1 to "attempt" of "Items" has incompatible type "Callable[[int], int]"; expected "Callable[[int], TaskFuture[Any]]"  [arg-type]
# mypy     Incompatible return value type (got "int", expected "TaskFuture[Any]")  [return-value]
# plugin   "attempt" needs a task; got a lambda: write task(lambda ...)  [arg-type]
# pyright  Argument of type "(x: int) -> int" cannot be assigned to parameter "task" of type "(int, **P@attempt) -> TaskFuture[U@attempt]" in function "attempt"  [reportArgumentType]
# pyrefly  No matching overload found for function `daglite.futures.items.Items.attempt` called with arguments: ((x: Unknown) -> Unknown)  [no-matching-overload]
# ty       No overload of bound method `Items.attempt` matches arguments  [no-matching-overload]
# python   TaskError: `attempt` needs a task; got <function <lambda>>; decorate the function with `@task` or wrap it: task(lambda ...)
