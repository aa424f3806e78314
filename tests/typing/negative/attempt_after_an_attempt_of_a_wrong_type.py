"""Attempt after an attempt, of a wrong type."""

from __future__ import annotations

from tests.typing.shop import numbers, scale, upper

numbers.iter(n=3).attempt(scale, factor=2.0).attempt(upper)

# mypy     No overload variant of "attempt" of "Items" matches argument type "Task[[str], str]"  [call-overload]
# plugin   "attempt" gives "float" to parameter "text" of task "upper", which takes "str"  [arg-type]
# pyright  No overloads for "attempt" match the provided arguments  [reportCallIssue]
# pyright  Argument of type "Task[(text: str), str]" cannot be assigned to parameter "task" of type "(float | Failed[int], **P@attempt) -> TaskFuture[U@attempt]" in function "attempt"  [reportArgumentType]
# pyrefly  No matching overload found for function `daglite.futures.items.Items.attempt` called with arguments: (Task[[text: str], str])  [no-matching-overload]
# ty       No overload of bound method `Items.attempt` matches arguments  [no-matching-overload]
# python   ok
