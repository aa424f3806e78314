"""Future used as a value: an attribute of its value."""

from __future__ import annotations

from tests.typing.shop import upper

upper(text="a").lower()

# mypy     "TaskFuture[str]" has no attribute "lower"  [attr-defined]
# plugin   "TaskFuture[str]" has no attribute "lower"  [attr-defined]
# pyright  Cannot access attribute "lower" for class "TaskFuture[str]"  [reportAttributeAccessIssue]
# pyrefly  Object of class `TaskFuture` has no attribute `lower`  [missing-attribute]
# ty       Object of type `TaskFuture[str]` has no attribute `lower`  [missing-attribute]
# python   AttributeError: TaskFuture(upper) has no attribute 'lower', nor a value yet: give it to a task with `.then`, or run it
