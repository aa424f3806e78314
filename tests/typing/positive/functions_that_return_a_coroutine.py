"""Functions that return a coroutine."""

from __future__ import annotations

from collections.abc import Coroutine
from typing import Any, assert_type

from daglite import MapTaskFuture, TaskFuture, task
from tests.typing.shop import later, numbers, upper


@task
def passed_on(x: int) -> Coroutine[Any, Any, str]:
    async def soon() -> str:
        return str(x)

    return soon()


assert_type(passed_on(x=1), TaskFuture[str])
assert_type(numbers.iter(n=2).then(passed_on).then(upper), MapTaskFuture[str])
assert_type(later(x=1), TaskFuture[str])
assert numbers.iter(n=2).then(passed_on).run(runtime="inline") == ["0", "1"]

# mypy     ok
# plugin   ok
# pyright  ok
# pyrefly  ok
# ty       ok
# python   ok
