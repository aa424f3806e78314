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
# python   ok
# why      plain types give the item to a parameter by position only
