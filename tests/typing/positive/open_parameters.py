"""Open parameters."""

from __future__ import annotations

from collections.abc import Callable
from typing import assert_type

from daglite import MapTaskFuture, task
from tests.typing.shop import count, numbers


def opened(fn: Callable[..., int]) -> MapTaskFuture[int]:
    step = task(fn)
    step(1, anything=count())
    step.partial(anything=1)(2)
    return numbers.iter(n=3).then(step, by=3)


assert_type(opened(lambda x, by=0, anything=0: x), MapTaskFuture[int])

# mypy     ok
# plugin   ok
# pyright  ok
# pyrefly  ok
# ty       ok
# python   ok
