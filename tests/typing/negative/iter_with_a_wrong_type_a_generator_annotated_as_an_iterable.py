"""Iter with a wrong type: a generator annotated as an iterable."""

from __future__ import annotations

from collections.abc import Iterable

from daglite import task


@task
def evens(n: int) -> Iterable[int]:
    yield from range(0, n, 2)


evens.iter(n="3")

# mypy     "Task[[int], Iterable[int]]" has no attribute "iter"  [attr-defined]
# plugin   Argument "n" to "evens.iter" has incompatible type "str"; expected "int | Future[int]"  [arg-type]
# pyright  Cannot access attribute "iter" for class "Task[(n: int), Iterable[int]]"  [reportAttributeAccessIssue]
# pyrefly  Object of class `Task` has no attribute `iter`  [missing-attribute]
# ty       Object of type `Task[(n: int), Iterable[int]]` has no attribute `iter`  [missing-attribute]
# python   ok
