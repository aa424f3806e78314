"""Call with a stream for one value."""

from __future__ import annotations

from tests.typing.shop import double, numbers

double(x=numbers.iter(n=3))

# mypy     Argument "x" to "__call__" of "BaseTask" has incompatible type "IterFuture[int]"; expected "int"  [arg-type]
# plugin   Argument "x" to "double" has incompatible type "IterFuture[int]"; expected "int | Future[int]"  [arg-type]
# pyright  Argument of type "IterFuture[int]" cannot be assigned to parameter "x" of type "int" in function "__call__"  [reportArgumentType]
# python   ok
