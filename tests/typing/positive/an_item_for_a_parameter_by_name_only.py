"""An item for a parameter by name only."""

from __future__ import annotations

from typing import assert_type

from daglite import MapTaskFuture, task
from tests.typing.shop import numbers


@task
def only(*, x: int) -> int:
    return x


assert_type(numbers.iter(n=3).then(only), MapTaskFuture[int])

# mypy     Missing named argument "x" for "then" of "Items"  [call-arg]
# mypy     Argument 1 to "then" of "Items" has incompatible type "Task[[NamedArg(int, 'x')], int]"; expected "def (int, /, *, x: int) -> TaskFuture[int]"  [arg-type]
# plugin   ok
# pyright  Argument of type "Task[(*, x: int), int]" cannot be assigned to parameter "task" of type "(int, **P@then) -> TaskFuture[U@then]" in function "then"  [reportArgumentType]
# pyrefly  assert_type(MapTaskFuture[Unknown], MapTaskFuture[int]) failed  [assert-type]
# pyrefly  Argument `Task[[*, x: int], int]` is not assignable to parameter `task` with type `(int, ParamSpec(@_)) -> TaskFuture[@_]` in function `daglite.futures.items.Items.then`  [bad-argument-type]
# ty       Type `MapTaskFuture[Unknown]` does not match asserted type `MapTaskFuture[int]`  [type-assertion-failure]
# ty       Argument to bound method `Items.then` is incorrect: Expected `(int, /, *args: Unknown, **kwargs: Unknown) -> TaskFuture[Unknown]`, found `Task[(*, x: int), int]`  [invalid-argument-type]
# python   ok
# why      mypy, pyright, pyrefly, ty: plain types give the item to a parameter by position only
