"""Join with a plain function."""

from __future__ import annotations

from tests.typing.shop import numbers

numbers.iter(n=3).join(sum)

# mypy     Argument 1 to "join" of "Items" has incompatible type overloaded function; expected "Callable[[list[int]], TaskFuture[Never]]"  [arg-type]
# plugin   "join" needs a task; got function "sum": decorate it with "@task", or write task(sum)  [arg-type]
# pyright  Arguments for ParamSpec "P@join" are missing  [reportCallIssue]
# pyright  Argument of type "Overload[(iterable: Iterable[_LiteralInteger | bool], /, start: int = 0) -> int, (iterable: Iterable[_SupportsSumNoDefaultT@sum], /) -> (_SupportsSumNoDefaultT@sum | Literal[0]), (iterable: Iterable[_AddableT1@sum], /, start: _AddableT2@sum) -> (_AddableT1@sum | _AddableT2@sum)]" cannot be assigned to parameter "task" of type "(list[int], **P@join) -> TaskFuture[U@join]" in function "join"  [reportArgumentType]
# python   TaskError: `join` needs a task; got <built-in function sum>; decorate the function with `@task` or wrap it: task(sum)
