"""Chain of an item of a wrong type: a bound method."""

from __future__ import annotations

from daglite import task
from tests.typing.shop import words


class Shop:
    def price(self, x: float) -> float:
        return x


words.iter(text="a b").then(task(Shop().price))

# mypy     Argument 1 to "then" of "Items" has incompatible type "Task[[float], float]"; expected "Callable[[str], TaskFuture[float]]"  [arg-type]
# plugin   "then" gives "str" to parameter "x" of task "price", which takes "float"  [arg-type]
# pyright  Argument of type "Task[(x: float), float]" cannot be assigned to parameter "task" of type "(str, **P@then) -> TaskFuture[U@then]" in function "then"  [reportArgumentType]
# pyrefly  Argument `Task[[x: float], float]` is not assignable to parameter `task` with type `(str, ParamSpec(@_)) -> TaskFuture[@_]` in function `daglite.futures.items.Items.then`  [bad-argument-type]
# ty       Argument to bound method `Items.then` is incorrect: Expected `(str, /, *args: Unknown, **kwargs: Unknown) -> TaskFuture[Unknown]`, found `Task[(x: float), float]`  [invalid-argument-type]
# python   ok
