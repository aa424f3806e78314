"""Generic helpers."""

from __future__ import annotations

from typing import TypeVar, assert_type

from daglite import IterFuture, MapTaskFuture, ReduceFuture, Task
from tests.typing.shop import double, minus, numbers

X = TypeVar("X")
Y = TypeVar("Y")


def applied(stream: IterFuture[X], step: Task[[X], Y]) -> MapTaskFuture[Y]:
    return stream.then(step)


def folded(stream: MapTaskFuture[X], step: Task[[Y, X], Y], start: Y) -> ReduceFuture[Y]:
    return stream.reduce(step, initial=start)


assert_type(folded(applied(numbers.iter(n=3), double), minus, 0), ReduceFuture[int])

# mypy     ok
# plugin   ok
# pyright  ok
# pyrefly  Argument `Task[[x: int], int]` is not assignable to parameter `step` with type `Task[[int], @_]` in function `applied`  [bad-argument-type]
# pyrefly  Argument `Task[[a: int, b: int], int]` is not assignable to parameter `step` with type `Task[[int, int], int]` in function `folded`  [bad-argument-type]
# ty       Argument to function `applied` is incorrect: Expected `Task[(int, /), int]`, found `Task[(x: int), int]`  [invalid-argument-type]
# ty       Argument to function `folded` is incorrect: Expected `Task[(int, int, /), int]`, found `Task[(a: int, b: int), int]`  [invalid-argument-type]
# python   ok
# why      pyrefly, ty: a `ParamSpec` of a class is invariant: a parameter with a name is not the nameless one of `Task[[int], int]`; annotate `Callable[[int], TaskFuture[int]]`
