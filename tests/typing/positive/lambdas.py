"""Lambdas."""

from __future__ import annotations

from typing import Any, assert_type

from daglite import MapTaskFuture, TaskFuture, task
from tests.typing.shop import numbers

tripled = task(lambda x: x * 3)
assert_type(tripled(1), TaskFuture[Any])
assert_type(numbers.iter(n=3).then(tripled), MapTaskFuture[Any])

# mypy     Expression is of type "Any", not "TaskFuture[Any]"  [assert-type]
# plugin   ok
# pyright  ok
# pyrefly  assert_type(Unknown, TaskFuture[Any]) failed  [assert-type]
# ty       Type `Unknown` does not match asserted type `TaskFuture[Any]`  [type-assertion-failure]
# python   ok
# why      mypy, pyrefly, ty: the result of a lambda matches every overload of `task`, so it stays unknown
