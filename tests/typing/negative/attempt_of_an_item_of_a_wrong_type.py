"""Attempt of an item of a wrong type."""

from __future__ import annotations

from tests.typing.shop import scale, words

words.iter(text="a b").attempt(scale, factor=2.0)

# mypy     No overload variant of "attempt" of "Items" matches argument types "Task[[float, float], float]", "float"  [call-overload]
# plugin   No overload variant of "attempt" of "Items" matches argument types "Task[[float, float], float]", "float"  [call-overload]
# pyright  No overloads for "attempt" match the provided arguments  [reportCallIssue]
# pyright  Argument of type "Task[(x: float, factor: float), float]" cannot be assigned to parameter "task" of type "(str, **P@attempt) -> TaskFuture[U@attempt]" in function "attempt"  [reportArgumentType]
# pyrefly  No matching overload found for function `daglite.futures.items.Items.attempt` called with arguments: (Task[[x: float, factor: float], float], factor=float)  [no-matching-overload]
# ty       No overload of bound method `Items.attempt` matches arguments  [no-matching-overload]
# python   ok
