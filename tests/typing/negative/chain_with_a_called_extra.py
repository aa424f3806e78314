"""Chain with a called extra."""

from __future__ import annotations

from tests.typing.shop import numbers, scale

numbers.iter(n=3).then(scale(factor=2.0))

# mypy     Missing positional argument "x" in call to "__call__" of "BaseTask"  [call-arg]
# mypy     Argument 1 to "then" of "Items" has incompatible type "TaskFuture[float]"; expected "Callable[[int], TaskFuture[Never]]"  [arg-type]
# plugin   Missing positional argument "x" in call to "scale"  [call-arg]
# plugin   "then" needs a task; got a call of it, which is a future: write ".then(scale, ...)", with what else it takes as extras  [arg-type]
# pyright  Argument missing for parameter "x"  [reportCallIssue]
# pyrefly  Argument `TaskFuture[float]` is not assignable to parameter `task` with type `(int, ParamSpec(@_)) -> TaskFuture[@_]` in function `daglite.futures.items.Items.then`  [bad-argument-type]
# pyrefly  Missing argument `x` in function `daglite.tasks.BaseTask.__call__`  [missing-argument]
# ty       Argument to bound method `Items.then` is incorrect: Expected `(int, /, *args: Unknown, **kwargs: Unknown) -> TaskFuture[Unknown]`, found `TaskFuture[float]`  [invalid-argument-type]
# ty       No argument provided for required parameter `x` of bound method `BaseTask.__call__`  [missing-argument]
# python   ParameterError: task 'scale': missing a required argument: 'x'; it takes 'x', 'factor'
