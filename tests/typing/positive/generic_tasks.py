"""Generic tasks."""

from __future__ import annotations

from typing import TypeVar, assert_type

from daglite import MapTaskFuture, TaskFuture, task
from tests.typing.shop import numbers, total

X = TypeVar("X")
Y = TypeVar("Y")


@task
def boxed(x: X) -> list[X]:
    return [x]


@task
def first_of(values: list[X], default: Y) -> X | Y:
    return values[0] if values else default


assert_type(boxed("a"), TaskFuture[list[str]])
assert_type(numbers.iter(n=3).then(boxed).then(total), MapTaskFuture[int])
assert_type(numbers.iter(n=3).join(first_of, default=None), TaskFuture[int | None])
boxed.partial(x=1)()
boxed.map(x=[1, 2])

# mypy     Expression is of type "TaskFuture[Never]", not "TaskFuture[int | None]"  [assert-type]
# mypy     Argument 1 to "join" of "Items" has incompatible type "Task[[list[Coroutine[Any, Any, R]], Coroutine[Any, Any, R]], R]"; expected "Callable[[list[int], None], TaskFuture[Never]]"  [arg-type]
# plugin   ok
# pyright  ok
# pyrefly  assert_type(TaskFuture[list[Unknown]], TaskFuture[list[str]]) failed  [assert-type]
# pyrefly  assert_type(TaskFuture[Unknown], TaskFuture[int | None]) failed  [assert-type]
# ty       Type `TaskFuture[Unknown]` does not match asserted type `TaskFuture[int | None]`  [type-assertion-failure]
# python   ok
# why      mypy: it takes a result with a bare type variable for a coroutine; the plugin corrects that
# why      pyrefly, ty: the overloads of `task` leave a result that is a bare type variable unknown
