"""Call of a method that is not bound: in a chain."""

from __future__ import annotations

from daglite import task
from tests.typing.shop import numbers


class Shop:
    def price(self, x: int) -> int:
        return x


numbers.iter(n=3).then(task(Shop.price))

# mypy     Missing positional argument "x" in call to "then" of "Items"  [call-arg]
# mypy     Argument 1 to "then" of "Items" has incompatible type "Task[[Shop, int], int]"; expected "Callable[[int, int], TaskFuture[int]]"  [arg-type]
# plugin   Missing positional argument "x" in call to "then(price)"  [call-arg]
# plugin   "then" gives "int" to parameter "self" of task "price", which takes "Shop"; to give it to "x", fix "self" with ".partial" or as an extra  [arg-type]
# pyright  Argument missing for parameter "x"  [reportCallIssue]
# pyright  Argument of type "Task[(self: Shop, x: int), int]" cannot be assigned to parameter "task" of type "(int, **P@then) -> TaskFuture[U@then]" in function "then"  [reportArgumentType]
# pyrefly  Argument `Task[[self: Shop, x: int], int]` is not assignable to parameter `task` with type `(int, ParamSpec(@_)) -> TaskFuture[@_]` in function `daglite.futures.items.Items.then`  [bad-argument-type]
# ty       Argument to bound method `Items.then` is incorrect: Expected `(int, /, *args: Unknown, **kwargs: Unknown) -> TaskFuture[Unknown]`, found `Task[(self, x: int), int]`  [invalid-argument-type]
# python   ParameterError: `then` of task 'Shop.price' leaves 'x' without a value; fix it with `.partial` or give it as an extra; 'price' is a method of 'Shop' that is not bound, so the first value is its 'self': give that too, fix it with `.partial(self=...)`, or make the task of the bound method, task(an_object.price)
