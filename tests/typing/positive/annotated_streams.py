"""Annotated streams."""

from __future__ import annotations

from typing import assert_type

from daglite import IterFuture, MapTaskFuture, Task
from tests.typing.shop import double, numbers

stream: IterFuture[int] = numbers.iter(n=3)
step: Task[[int], int] = double
general: Task[[int], object] = double
assert_type(stream.then(step).then(step), MapTaskFuture[int])

# mypy     ok
# plugin   ok
# pyright  ok
# pyrefly  `Task[[x: int], int]` is not assignable to `Task[[int], int]`  [bad-assignment]
# pyrefly  `Task[[x: int], int]` is not assignable to `Task[[int], object]`  [bad-assignment]
# ty       Object of type `Task[(x: int), int]` is not assignable to `Task[(int, /), int]`  [invalid-assignment]
# ty       Object of type `Task[(x: int), int]` is not assignable to `Task[(int, /), object]`  [invalid-assignment]
# python   ok
# why      pyrefly, ty: a `ParamSpec` of a class is invariant: a parameter with a name is not the nameless one of `Task[[int], int]`; annotate `Callable[[int], TaskFuture[int]]`
