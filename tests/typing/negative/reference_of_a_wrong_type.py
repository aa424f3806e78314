"""Reference of a wrong type."""

from __future__ import annotations

from daglite import ref
from tests.typing.shop import count, upper

upper(text=ref(count()))

# mypy     Argument "text" to "__call__" of "BaseTask" has incompatible type "int"; expected "str"  [arg-type]
# plugin   Argument "text" to "upper" has incompatible type "int"; expected "str | Future[str]"  [arg-type]
# pyright  Argument of type "int" cannot be assigned to parameter "text" of type "str" in function "__call__"  [reportArgumentType]
# pyrefly  Argument `int` is not assignable to parameter `text` with type `str` in function `daglite.tasks.BaseTask.__call__`  [bad-argument-type]
# ty       Argument to bound method `BaseTask.__call__` is incorrect: Expected `str`, found `int`  [invalid-argument-type]
# python   ok
