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
# pyrefly  assert_type(MapTaskFuture[Unknown], MapTaskFuture[str]) failed  [assert-type]
# pyrefly  Argument `Task[[prefix: str, x: int], str]` is not assignable to parameter `task` with type `(int, ParamSpec(@_)) -> TaskFuture[@_]` in function `daglite.futures.items.Items.then`  [bad-argument-type]
# pyrefly  assert_type(TaskFuture[Unknown], TaskFuture[str]) failed  [assert-type]
# pyrefly  Argument `Task[[prefix: str, x: int], str]` is not assignable to parameter `task` with type `(int, ParamSpec(@_)) -> TaskFuture[@_]` in function `daglite.futures.values.TaskFuture.then`  [bad-argument-type]
# ty       Type `MapTaskFuture[Unknown]` does not match asserted type `MapTaskFuture[str]`  [type-assertion-failure]
# ty       Argument to bound method `Items.then` is incorrect: Expected `(int, /, *args: Unknown, **kwargs: Unknown) -> TaskFuture[Unknown]`, found `Task[(prefix: str, x: int), str]`  [invalid-argument-type]
# ty       Type `TaskFuture[Unknown]` does not match asserted type `TaskFuture[str]`  [type-assertion-failure]
# ty       Argument to bound method `TaskFuture.then` is incorrect: Expected `(int, /, *args: Unknown, **kwargs: Unknown) -> TaskFuture[Unknown]`, found `Task[(prefix: str, x: int), str]`  [invalid-argument-type]
# python   ok
# why      mypy, pyright, pyrefly, ty: plain types give the item to the first parameter only; use `.partial`
