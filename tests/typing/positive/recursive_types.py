"""Recursive types."""

from __future__ import annotations

from typing import assert_type

from daglite import MapTaskFuture, TaskFuture, task
from tests.typing.shop import numbers

Tree = dict[str, "Tree"] | int


@task
def grown(x: int) -> Tree:
    return {"a": x}


@task
def cut(tree: Tree) -> int:
    return 1


assert_type(numbers.iter(n=3).then(grown).then(cut), MapTaskFuture[int])
assert_type(cut(tree=grown(x=1)), TaskFuture[int])

# mypy     Argument "tree" to "__call__" of "BaseTask" has incompatible type "TaskFuture[dict[str, Tree] | int]"; expected "Tree"  [arg-type]
# plugin   ok
# pyright  Argument of type "TaskFuture[Tree]" cannot be assigned to parameter "tree" of type "Tree" in function "__call__"  [reportArgumentType]
# pyrefly  Argument `TaskFuture[Tree]` is not assignable to parameter `tree` with type `dict[str, Tree] | int` in function `daglite.tasks.BaseTask.__call__`  [bad-argument-type]
# ty       Argument to bound method `BaseTask.__call__` is incorrect: Expected `Tree`, found `TaskFuture[Tree]`  [invalid-argument-type]
# python   ok
# why      mypy, pyright, pyrefly, ty: plain types cannot say `X | Future[X]` for every parameter; write `ref(future)`
