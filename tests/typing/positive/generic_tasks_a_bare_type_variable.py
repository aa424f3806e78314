"""Generic tasks: a bare type variable."""

from __future__ import annotations

from typing import TypeVar, assert_type

from daglite import MapTaskFuture, TaskFuture, task
from tests.typing.shop import numbers, upper, words

X = TypeVar("X")


@task
def same(x: X) -> X:
    return x


@task(name="kept")
def kept(x: X) -> X:
    return x


assert_type(same(3), TaskFuture[int])
assert_type(numbers.iter(n=3).then(same), MapTaskFuture[int])
assert_type(words.iter(text="a").then(kept).then(upper), MapTaskFuture[str])

# mypy     Expression is of type "TaskFuture[Never]", not "TaskFuture[int]"  [assert-type]
# mypy     Argument 1 to "__call__" of "BaseTask" has incompatible type "int"; expected "Coroutine[Any, Any, Never]"  [arg-type]
# mypy     Expression is of type "MapTaskFuture[Never]", not "MapTaskFuture[int]"  [assert-type]
# mypy     Argument 1 to "then" of "Items" has incompatible type "Task[[Coroutine[Any, Any, R]], R]"; expected "Callable[[int], TaskFuture[Never]]"  [arg-type]
# mypy     Argument 1 to "then" of "Items" has incompatible type "Task[[Coroutine[Any, Any, R]], R]"; expected "Callable[[str], TaskFuture[Never]]"  [arg-type]
# plugin   ok
# pyright  ok
# pyrefly  assert_type(TaskFuture[Unknown], TaskFuture[int]) failed  [assert-type]
# pyrefly  assert_type(MapTaskFuture[Unknown], MapTaskFuture[int]) failed  [assert-type]
# ty       Type `TaskFuture[Unknown]` does not match asserted type `TaskFuture[int]`  [type-assertion-failure]
# ty       Type `MapTaskFuture[Unknown]` does not match asserted type `MapTaskFuture[int]`  [type-assertion-failure]
# python   ok
# why      mypy: it takes a result with a bare type variable for a coroutine; the plugin corrects that
# why      pyrefly, ty: the overloads of `task` leave a result that is a bare type variable unknown
