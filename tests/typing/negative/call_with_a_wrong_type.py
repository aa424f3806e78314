"""Call with a wrong type."""

from __future__ import annotations

from tests.typing.shop import double

double(x="3")

# mypy     Argument "x" to "__call__" of "BaseTask" has incompatible type "str"; expected "int"  [arg-type]
# plugin   Argument "x" to "double" has incompatible type "str"; expected "int | Future[int]"  [arg-type]
# pyright  Argument of type "Literal['3']" cannot be assigned to parameter "x" of type "int" in function "__call__"  [reportArgumentType]
# python   ok
