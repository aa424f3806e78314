"""Plan streams a single value."""

from __future__ import annotations

from daglite import compile
from tests.typing.shop import double

compile(double(x=1)).stream(runtime="inline")

# mypy     Invalid self argument "Plan[int]" to attribute function "stream" with type "def [T] stream(self: Plan[list[T]], *, ordered: bool = ..., **options: **RunOptions) -> ItemStream[T]"  [misc]
# plugin   Invalid self argument "Plan[int]" to attribute function "stream" with type "def [T] stream(self: Plan[list[T]], *, ordered: bool = ..., **options: **RunOptions) -> ItemStream[T]"  [misc]
# pyright  Cannot access attribute "stream" for class "Plan[int]"  [reportAttributeAccessIssue]
# python   TaskError: `stream` needs a plan that ends in items; this one gives TaskFuture[int]; use `run`
