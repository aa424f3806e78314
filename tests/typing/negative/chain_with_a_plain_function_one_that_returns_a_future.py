"""Chain with a plain function: one that returns a future."""

from __future__ import annotations

from daglite import TaskFuture
from tests.typing.shop import double, numbers


def made(x: int) -> TaskFuture[int]:
    return double(x)


numbers.iter(n=3).then(made)

# mypy     ok
# plugin   "then" needs a task; got function "made": decorate it with "@task", or write task(made)  [arg-type]
# pyright  ok
# pyrefly  ok
# ty       ok
# python   TaskError: `then` needs a task; got <function made>; decorate the function with `@task` or wrap it: task(made)
# why      mypy, pyright, pyrefly, ty: to plain types a task is anything that returns a TaskFuture when called
