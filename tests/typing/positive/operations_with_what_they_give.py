"""Operations with what they give."""

from __future__ import annotations

from typing import assert_type

from daglite import MapTaskFuture, TaskFuture, task
from tests.typing.shop import numbers, total, words


@task
def shown(pair: tuple[int, str]) -> str:
    return f"{pair[0]} {pair[1]}"


assert_type(words.iter(text="a").enumerate().then(shown), MapTaskFuture[str])
assert_type(numbers.iter(n=3).zip(words.iter(text="a")).then(shown), MapTaskFuture[str])
assert_type(numbers.iter(n=3).batch(2).then(total).join(total), TaskFuture[int])

# mypy     ok
# plugin   ok
# pyright  ok
# pyrefly  ok
# ty       ok
# python   ok
