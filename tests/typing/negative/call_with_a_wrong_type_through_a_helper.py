"""Call with a wrong type: through a helper."""

from __future__ import annotations

from typing import ParamSpec, TypeVar

from daglite import Task, TaskFuture
from tests.typing.shop import scale

P = ParamSpec("P")
R = TypeVar("R")


def twice(step: Task[P, R], *args: P.args, **kwargs: P.kwargs) -> list[TaskFuture[R]]:
    return [step(*args, **kwargs), step(*args, **kwargs)]


twice(scale, x=1.0, factor="2")

# mypy     Argument "factor" to "twice" has incompatible type "str"; expected "float"  [arg-type]
# plugin   Argument "factor" to "twice" has incompatible type "str"; expected "float"  [arg-type]
# pyright  Argument of type "Literal['2']" cannot be assigned to parameter "factor" of type "float"  [reportArgumentType]
# pyrefly  Argument `Literal['2']` is not assignable to parameter `factor` with type `float` in function `twice`  [bad-argument-type]
# ty       Argument to function `twice` is incorrect: Expected `float`, found `Literal["2"]`  [invalid-argument-type]
# python   ok
