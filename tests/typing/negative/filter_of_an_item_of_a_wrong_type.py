"""Filter of an item of a wrong type."""

from __future__ import annotations

from tests.typing.shop import large, words

words.iter(text="a b").filter(large)

# mypy     Argument 1 to "filter" of "Items" has incompatible type "Task[[float, float], bool]"; expected "Callable[[str, float], TaskFuture[bool]]"  [arg-type]
# plugin   "filter" gives "str" to parameter "x" of task "large", which takes "float"  [arg-type]
# pyright  Argument of type "Task[(x: float, least: float = 2), bool]" cannot be assigned to parameter "task" of type "(str, **P@filter) -> TaskFuture[bool]" in function "filter"  [reportArgumentType]
# pyrefly  Argument `Task[[x: float, least: float = 2.0], bool]` is not assignable to parameter `task` with type `(str, ParamSpec(@_)) -> TaskFuture[bool]` in function `daglite.futures.items.Items.filter`  [bad-argument-type]
# ty       Argument to bound method `Items.filter` is incorrect: Expected `(str, /, *args: Unknown, **kwargs: Unknown) -> TaskFuture[bool]`, found `Task[(x: float, least: float = ...), bool]`  [invalid-argument-type]
# python   ok
