"""Chain with a called extra."""

from __future__ import annotations

from tests.typing.shop import numbers, scale

numbers.iter(n=3).then(scale(factor=2.0))

# mypy     Missing positional argument "x" in call to "__call__" of "BaseTask"  [call-arg]
# mypy     Argument 1 to "then" of "Items" has incompatible type "TaskFuture[float]"; expected "Callable[[int], TaskFuture[Never]]"  [arg-type]
# plugin   Missing positional argument "x" in call to "scale"  [call-arg]
# plugin   "then" needs a task; got a call of it, which is a future: write ".then(scale, ...)", with what else it takes as extras  [arg-type]
# pyright  Argument missing for parameter "x"  [reportCallIssue]
# python   ParameterError: task 'scale': missing a required argument: 'x'; it takes 'x', 'factor'
