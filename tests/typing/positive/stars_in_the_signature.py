"""Stars in the signature."""

from __future__ import annotations

from typing import assert_type

from daglite import MapTaskFuture, TaskFuture, task
from tests.typing.shop import count, numbers


@task
def summed(*values: int) -> int:
    return sum(values)


@task
def tagged(x: int, **tags: str) -> str:
    return str(x)


assert_type(summed(1, count(), 3), TaskFuture[int])
assert_type(numbers.iter(n=3).then(tagged, colour="red"), MapTaskFuture[str])
assert_type(tagged.partial(colour="red")(x=1, size="s"), TaskFuture[str])
assert_type(tagged.map(x=[1], colour=["red"]), MapTaskFuture[str])

# mypy     Argument 2 to "__call__" of "BaseTask" has incompatible type "TaskFuture[int]"; expected "int"  [arg-type]
# mypy     Argument 1 to "then" of "Items" has incompatible type "Task[[int, KwArg(str)], str]"; expected "def (int, /, **tags: str) -> TaskFuture[str]"  [arg-type]
# plugin   ok
# pyright  Argument of type "TaskFuture[int]" cannot be assigned to parameter "values" of type "int" in function "__call__"  [reportArgumentType]
# pyrefly  Argument `TaskFuture[int]` is not assignable to parameter `*values` with type `int` in function `daglite.tasks.BaseTask.__call__`  [bad-argument-type]
# ty       Argument to bound method `BaseTask.__call__` is incorrect: Expected `int`, found `TaskFuture[int]`  [invalid-argument-type]
# python   ok
# why      mypy, pyright, pyrefly, ty: plain types cannot say `X | Future[X]` for every parameter; write `ref(future)`
# why      mypy: it does not match `**tags` behind `Concatenate`
