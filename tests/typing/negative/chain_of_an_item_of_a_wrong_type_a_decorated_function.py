"""Chain of an item of a wrong type: a decorated function."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import ParamSpec, TypeVar

from daglite import task
from tests.typing.shop import words

P = ParamSpec("P")
R = TypeVar("R")


def logged(fn: Callable[P, R]) -> Callable[P, R]:
    @functools.wraps(fn)
    def inner(*args: P.args, **kwargs: P.kwargs) -> R:
        return fn(*args, **kwargs)

    return inner


@task
@logged
def tripled(x: int) -> int:
    return x * 3


words.iter(text="a b").then(tripled)

# mypy     Argument 1 to "then" of "Items" has incompatible type "Task[[int], int]"; expected "Callable[[str], TaskFuture[int]]"  [arg-type]
# plugin   "then" gives "str" to parameter "x" of task "tripled", which takes "int"  [arg-type]
# pyright  Argument of type "Task[(x: int), int]" cannot be assigned to parameter "task" of type "(str, **P@then) -> TaskFuture[U@then]" in function "then"  [reportArgumentType]
# pyrefly  Argument `Task[[x: int], int]` is not assignable to parameter `task` with type `(str, ParamSpec(@_)) -> TaskFuture[@_]` in function `daglite.futures.items.Items.then`  [bad-argument-type]
# ty       Argument to bound method `Items.then` is incorrect: Expected `(str, /, *args: Unknown, **kwargs: Unknown) -> TaskFuture[Unknown]`, found `Task[(x: int), int]`  [invalid-argument-type]
# python   ok
