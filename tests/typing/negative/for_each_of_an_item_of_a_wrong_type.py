"""For_each of an item of a wrong type."""

from __future__ import annotations

from tests.typing.shop import double, words

words.iter(text="a").for_each(double)

# mypy     Argument 1 to "for_each" of "Items" has incompatible type "Task[[int], int]"; expected "Callable[[str], TaskFuture[object]]"  [arg-type]
# plugin   "for_each" gives "str" to parameter "x" of task "double", which takes "int"  [arg-type]
# pyright  Argument of type "Task[(x: int), int]" cannot be assigned to parameter "task" of type "(str, **P@for_each) -> TaskFuture[object]" in function "for_each"  [reportArgumentType]
# pyrefly  Argument `Task[[x: int], int]` is not assignable to parameter `task` with type `(str, ParamSpec(@_)) -> TaskFuture[object]` in function `daglite.futures.items.Items.for_each`  [bad-argument-type]
# ty       Argument to bound method `Items.for_each` is incorrect: Expected `(str, /, *args: Unknown, **kwargs: Unknown) -> TaskFuture[object]`, found `Task[(x: int), int]`  [invalid-argument-type]
# python   ok
