"""Futures as arguments: of a flat_map."""

from __future__ import annotations

from collections.abc import Iterator
from typing import assert_type

from daglite import MapTaskFuture, task
from tests.typing.shop import count, numbers, words


@task
def up_to(x: int, most: int) -> Iterator[int]:
    yield from range(min(x, most))


@task
def letters(word: str, times: int = 1) -> list[str]:
    return list(word) * times


assert_type(numbers.iter(n=3).flat_map(up_to, most=count()), MapTaskFuture[int])
assert_type(words.iter(text="a b").flat_map(letters, times=count()), MapTaskFuture[str])

# mypy     Argument "most" to "flat_map" of "Items" has incompatible type "TaskFuture[int]"; expected "int"  [arg-type]
# mypy     Argument "times" to "flat_map" of "Items" has incompatible type "TaskFuture[int]"; expected "int"  [arg-type]
# plugin   ok
# pyright  Argument of type "TaskFuture[int]" cannot be assigned to parameter "most" of type "int"  [reportArgumentType]
# pyright  Argument of type "TaskFuture[int]" cannot be assigned to parameter "times" of type "int"  [reportArgumentType]
# pyrefly  Argument `TaskFuture[int]` is not assignable to parameter `most` with type `int` in function `daglite.futures.items.Items.flat_map`  [bad-argument-type]
# pyrefly  Argument `TaskFuture[int]` is not assignable to parameter `times` with type `int` in function `daglite.futures.items.Items.flat_map`  [bad-argument-type]
# ty       Argument to bound method `Items.flat_map` is incorrect: Expected `int`, found `TaskFuture[int]`  [invalid-argument-type]
# python   ok
# why      mypy, pyright, pyrefly, ty: plain types cannot say `X | Future[X]` for every parameter; write `ref(future)`
