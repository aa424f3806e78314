"""Option of a task is read only."""

from __future__ import annotations

from tests.typing.shop import double

double.retries = 3

# mypy     Property "retries" defined in "BaseTask" is read-only  [misc]
# plugin   Property "retries" defined in "BaseTask" is read-only  [misc]
# pyright  Cannot assign to attribute "retries" for class "Task[(x: int), int]"  [reportAttributeAccessIssue]
# pyrefly  Attribute `retries` of class `Task` is a read-only property and cannot be set  [read-only]
# ty       Cannot assign to read-only property `retries` on object of type `Task[(x: int), int]`: Attempted assignment to `Task[(x: int), int].retries` here  [invalid-assignment]
# python   AttributeError
