"""Iter of a future."""

from __future__ import annotations

from tests.typing.shop import numbers

numbers(n=3).iter()

# mypy     "TaskFuture[list[int]]" has no attribute "iter"  [attr-defined]
# plugin   "TaskFuture[list[int]]" has no attribute "iter"  [attr-defined]
# pyright  Cannot access attribute "iter" for class "TaskFuture[list[int]]"  [reportAttributeAccessIssue]
# pyrefly  Object of class `TaskFuture` has no attribute `iter`  [missing-attribute]
# ty       Object of type `TaskFuture[list[int]]` has no attribute `iter`  [missing-attribute]
# python   AttributeError: `iter` belongs to tasks; TaskFuture(numbers) is what one gives: to go on with it write `.then(task)`
