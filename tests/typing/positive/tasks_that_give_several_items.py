"""Tasks that give several items."""

from __future__ import annotations

from collections.abc import Iterator
from typing import assert_type

from daglite import MapTaskFuture, ReduceFuture, task
from tests.typing.shop import numbers, words


@task
def up_to(n: int) -> Iterator[int]:
    yield from range(n)


@task
def letters(word: str, times: int = 1) -> list[str]:
    return list(word) * times


assert_type(numbers.iter(n=3).flat_map(up_to), MapTaskFuture[int])
assert_type(words.iter(text="a b").flat_map(letters, times=2), MapTaskFuture[str])
assert_type(numbers.iter_partitions([{"n": 3}, {"n": 4}]), MapTaskFuture[int])
assert_type(numbers.iter_partitions([{"n": 3}]).flat_map(up_to).count(), ReduceFuture[int])

# mypy     ok
# plugin   ok
# pyright  ok
# pyrefly  ok
# ty       ok
# python   ok
