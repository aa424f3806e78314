"""Extras that name the first parameter."""

from __future__ import annotations

from typing import assert_type

from daglite import MapTaskFuture, TaskFuture
from tests.typing.shop import double, numbers, prefixed

assert_type(numbers.iter(n=3).then(prefixed, prefix="n"), MapTaskFuture[str])
assert_type(double(x=1).then(prefixed, prefix="n"), TaskFuture[str])

# mypy     Unexpected keyword argument "prefix" for "then" of "Items"  [call-arg]
# mypy     Argument 1 to "then" of "Items" has incompatible type "Task[[str, int], str]"; expected "Callable[[int, int], TaskFuture[str]]"  [arg-type]
# mypy     Unexpected keyword argument "prefix" for "then" of "TaskFuture"  [call-arg]
# mypy     Argument 1 to "then" of "TaskFuture" has incompatible type "Task[[str, int], str]"; expected "Callable[[int, int], TaskFuture[str]]"  [arg-type]
# plugin   ok
# pyright  Argument missing for parameter "x"  [reportCallIssue]
# pyright  Argument of type "Task[(prefix: str, x: int), str]" cannot be assigned to parameter "task" of type "(int, **P@then) -> TaskFuture[U@then]" in function "then"  [reportArgumentType]
# pyright  No parameter named "prefix"  [reportCallIssue]
# python   ok
# why      plain types give the item to the first parameter only; use `.partial`
