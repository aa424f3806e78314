"""Option of a task is read only."""

from __future__ import annotations

from tests.typing.shop import double

double.retries = 3

# mypy     Property "retries" defined in "BaseTask" is read-only  [misc]
# plugin   Property "retries" defined in "BaseTask" is read-only  [misc]
# pyright  Cannot assign to attribute "retries" for class "Task[(x: int), int]"  [reportAttributeAccessIssue]
# python   AttributeError
