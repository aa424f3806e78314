"""Scan of items of a wrong type."""

from __future__ import annotations

from tests.typing.shop import add, words

words.iter(text="a b").scan(add, initial=0.0)

# mypy     Argument 1 to "scan" of "Items" has incompatible type "Task[[float, float], float]"; expected "ReduceStep[float, str]"  [arg-type]
# plugin   "scan" gives items of "str" to parameter "item" of task "add", which takes "float"  [arg-type]
# pyright  Argument of type "Task[(total: float, item: float), float]" cannot be assigned to parameter "task" of type "ReduceStep[A@scan, str]" in function "scan"  [reportArgumentType]
# pyrefly  Argument `Task[[total: float, item: float], float]` is not assignable to parameter `task` with type `ReduceStep[float, str]` in function `daglite.futures.items.Items.scan`  [bad-argument-type]
# ty       Argument to bound method `Items.scan` is incorrect: Expected `ReduceStep[float*, str]`, found `Task[(total: float, item: float), float]`  [invalid-argument-type]
# python   ok
