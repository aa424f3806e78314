"""Attempt of an item of a wrong type."""

from __future__ import annotations

from tests.typing.shop import scale, words

words.iter(text="a b").attempt(scale, factor=2.0)

# mypy     Argument 1 to "attempt" of "Items" has incompatible type "Task[[float, float], float]"; expected "Callable[[str, float], TaskFuture[float]]"  [arg-type]
# plugin   "attempt" gives "str" to parameter "x" of task "scale", which takes "float"  [arg-type]
# pyright  Argument of type "Task[(x: float, factor: float), float]" cannot be assigned to parameter "task" of type "(str, **P@attempt) -> TaskFuture[U@attempt]" in function "attempt"  [reportArgumentType]
# pyrefly  No matching overload found for function `daglite.futures.items.Items.attempt` called with arguments: (Task[[x: float, factor: float], float], factor=float)  [no-matching-overload]
# ty       No overload of bound method `Items.attempt` matches arguments  [no-matching-overload]
# python   ok
