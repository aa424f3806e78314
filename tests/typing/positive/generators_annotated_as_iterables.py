"""Generators annotated as iterables."""

from __future__ import annotations

from collections.abc import AsyncIterable, Iterable
from typing import assert_type

from daglite import IterFuture, MapTaskFuture, TaskFuture, task
from tests.typing.shop import count, double


@task
def evens(n: int) -> Iterable[int]:
    yield from range(0, n, 2)


@task(retries=1)
async def odds(n: int) -> AsyncIterable[int]:
    for number in range(1, n, 2):
        yield number


assert_type(evens.iter(n=3).then(double), MapTaskFuture[int])
assert_type(odds.iter(n=count()), IterFuture[int])
assert_type(evens(n=3), TaskFuture[list[int]])

# mypy     Expression is of type "Any", not "MapTaskFuture[int]"  [assert-type]
# mypy     "Task[[int], Iterable[int]]" has no attribute "iter"  [attr-defined]
# mypy     Expression is of type "Any", not "IterFuture[int]"  [assert-type]
# mypy     "Task[[int], AsyncIterable[int]]" has no attribute "iter"  [attr-defined]
# mypy     Expression is of type "TaskFuture[Iterable[int]]", not "TaskFuture[list[int]]"  [assert-type]
# plugin   ok
# pyright  "assert_type" mismatch: expected "MapTaskFuture[int]" but received "Unknown"  [reportAssertTypeFailure]
# pyright  Cannot access attribute "iter" for class "Task[(n: int), Iterable[int]]"  [reportAttributeAccessIssue]
# pyright  "assert_type" mismatch: expected "IterFuture[int]" but received "Unknown"  [reportAssertTypeFailure]
# pyright  Cannot access attribute "iter" for class "Task[(n: int), AsyncIterable[int]]"  [reportAttributeAccessIssue]
# pyright  "assert_type" mismatch: expected "TaskFuture[list[int]]" but received "TaskFuture[Iterable[int]]"  [reportAssertTypeFailure]
# pyrefly  assert_type(Unknown, MapTaskFuture[int]) failed  [assert-type]
# pyrefly  Object of class `Task` has no attribute `iter`  [missing-attribute]
# pyrefly  assert_type(Unknown, IterFuture[int]) failed  [assert-type]
# pyrefly  assert_type(TaskFuture[Iterable[int]], TaskFuture[list[int]]) failed  [assert-type]
# ty       Type `Unknown` does not match asserted type `MapTaskFuture[int]`  [type-assertion-failure]
# ty       Object of type `Task[(n: int), Iterable[int]]` has no attribute `iter`  [missing-attribute]
# ty       Type `Unknown` does not match asserted type `IterFuture[int]`  [type-assertion-failure]
# ty       Object of type `Task[(n: int), AsyncIterable[int]]` has no attribute `iter`  [missing-attribute]
# ty       Type `TaskFuture[Iterable[int]]` does not match asserted type `TaskFuture[list[int]]`  [type-assertion-failure]
# python   ok
# why      mypy, pyright, pyrefly, ty: overloads cannot tell `-> Iterable[T]` from `-> list[T]`; annotate `-> Iterator[T]`
