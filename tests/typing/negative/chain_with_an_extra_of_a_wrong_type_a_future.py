"""Chain with an extra of a wrong type: a future."""

from __future__ import annotations

from tests.typing.shop import numbers, scale, upper

numbers.iter(n=3).then(scale, factor=upper(text="a"))

# mypy     Argument "factor" to "then" of "Items" has incompatible type "TaskFuture[str]"; expected "float"  [arg-type]
# plugin   Argument "factor" to "then(scale)" has incompatible type "TaskFuture[str]"; expected "float | Future[float]"  [arg-type]
# pyright  Argument of type "TaskFuture[str]" cannot be assigned to parameter "factor" of type "float"  [reportArgumentType]
# pyrefly  Argument `TaskFuture[str]` is not assignable to parameter `factor` with type `float` in function `daglite.futures.items.Items.then`  [bad-argument-type]
# ty       Argument to bound method `Items.then` is incorrect: Expected `float`, found `TaskFuture[str]`  [invalid-argument-type]
# python   ok
