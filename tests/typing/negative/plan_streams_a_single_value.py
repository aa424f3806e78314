"""Plan streams a single value."""

from __future__ import annotations

from daglite import compile
from tests.typing.shop import double

compile(double(x=1)).stream(runtime="inline")

# mypy     Invalid self argument "Plan[int]" to attribute function "stream" with type "def [T] stream(self: Plan[list[T]], *, ordered: bool = ..., **options: **RunOptions) -> ItemStream[T]"  [misc]
# plugin   Invalid self argument "Plan[int]" to attribute function "stream" with type "def [T] stream(self: Plan[list[T]], *, ordered: bool = ..., **options: **RunOptions) -> ItemStream[T]"  [misc]
# pyright  Cannot access attribute "stream" for class "Plan[int]"  [reportAttributeAccessIssue]
# pyrefly  Argument `Plan[int]` is not assignable to parameter `self` with type `Plan[list[@_]]` in function `daglite.plan.Plan.stream`  [bad-argument-type]
# ty       Argument to bound method `Plan.stream` is incorrect: Expected `Plan[list[Unknown]]`, found `Plan[int]`  [invalid-argument-type]
# python   TaskError: `stream` needs a plan that ends in items; this one gives TaskFuture[int]; use `run`
