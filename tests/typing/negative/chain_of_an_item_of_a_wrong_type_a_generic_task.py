"""Chain of an item of a wrong type: a generic task."""

from __future__ import annotations

from typing import TypeVar

from daglite import task
from tests.typing.shop import numbers

X = TypeVar("X")


@task
def counted(values: list[X]) -> dict[str, X]:
    return {}


numbers.iter(n=3).then(counted)

# mypy     Argument 1 to "then" of "Items" has incompatible type "Task[[list[X]], dict[str, X]]"; expected "Callable[[int], TaskFuture[dict[str, Never]]]"  [arg-type]
# plugin   Argument 1 to "then" of "Items" has incompatible type "Task[[list[X]], dict[str, X]]"; expected "Callable[[int], TaskFuture[dict[str, Never]]]"  [arg-type]
# pyright  Argument of type "Task[(values: list[X@counted]), dict[str, X@counted]]" cannot be assigned to parameter "task" of type "(int, **P@then) -> TaskFuture[U@then]" in function "then"  [reportArgumentType]
# pyrefly  Argument `Task[[values: list[Unknown]], dict[str, Unknown]]` is not assignable to parameter `task` with type `(int, ParamSpec(@_)) -> TaskFuture[@_]` in function `daglite.futures.items.Items.then`  [bad-argument-type]
# ty       Argument to bound method `Items.then` is incorrect: Expected `(int, /, *args: Unknown, **kwargs: Unknown) -> TaskFuture[Unknown]`, found `Task[(values: list[X@counted]), dict[str, X@counted]]`  [invalid-argument-type]
# python   ok
