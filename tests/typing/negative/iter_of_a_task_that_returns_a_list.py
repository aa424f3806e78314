"""Iter of a task that returns a list."""

from __future__ import annotations

from tests.typing.shop import listing

listing.iter(n=3)

# mypy     "Task[[int], list[int]]" has no attribute "iter"  [attr-defined]
# plugin   "Task[[int], list[int]]" has no attribute "iter"  [attr-defined]
# pyright  Cannot access attribute "iter" for class "Task[(n: int), list[int]]"  [reportAttributeAccessIssue]
# pyrefly  Object of class `Task` has no attribute `iter`  [missing-attribute]
# ty       Object of type `Task[(n: int), list[int]]` has no attribute `iter`  [missing-attribute]
# python   TaskError: `iter` needs a generator; task 'listing' is not a generator function: use `yield` in it and annotate it `-> Iterator[T]`
