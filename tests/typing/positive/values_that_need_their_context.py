"""Values that need their context."""

from __future__ import annotations

from collections.abc import Callable
from typing import assert_type

from daglite import MapTaskFuture, TaskFuture, task
from tests.typing.shop import numbers, total


@task
def passed(x: int, by: Callable[[int], int], seen: dict[str, list[int]], mode: str = "") -> int:
    return by(x)


assert_type(passed(1, lambda n: n + 1, {}), TaskFuture[int])
assert_type(numbers.iter(n=3).then(passed, by=lambda n: n + 1, seen={}), MapTaskFuture[int])
assert_type(passed.partial(seen={}, by=lambda n: n + 1)(x=1), TaskFuture[int])
assert_type(total(values=[]), TaskFuture[int])
assert_type(passed.map(x=[1], by=[lambda n: n + 1], seen=[{}]), MapTaskFuture[int])

# mypy     ok
# plugin   ok
# pyright  ok
# pyrefly  ok
# ty       ok
# python   ok
