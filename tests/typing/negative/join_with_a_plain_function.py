"""Join with a plain function."""

from __future__ import annotations

from tests.typing.shop import numbers

numbers.iter(n=3).join(sum)

# mypy     Argument 1 to "join" of "Items" has incompatible type overloaded function; expected "Callable[[list[int]], TaskFuture[Never]]"  [arg-type]
# plugin   "join" needs a task; got function "sum": decorate it with "@task", or write task(sum)  [arg-type]
# pyright  Arguments for ParamSpec "P@join" are missing  [reportCallIssue]
# pyright  Argument of type "Overload[(iterable: Iterable[_LiteralInteger | bool], /, start: int = 0) -> int, (iterable: Iterable[_SupportsSumNoDefaultT@sum], /) -> (_SupportsSumNoDefaultT@sum | Literal[0]), (iterable: Iterable[_AddableT1@sum], /, start: _AddableT2@sum)  ...  [reportArgumentType]
# pyrefly  Argument `Overload[ (iterable: Iterable[Literal[-20, -19, -18, -17, -16, -15, -14, -13, -12, -11, -10, -9, -8, -7, -6, -5, -4, -3, -2, -1, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21, 22, 23, 24, 25] | bool], /, start: int = 0) ...  [bad-argument-type]
# ty       ok
# python   TaskError: `join` needs a task; got <built-in function sum>; decorate the function with `@task` or wrap it: task(sum)
# why      ty: it does not compare an overloaded function with a `ParamSpec`
