"""Reference of a wrong type."""

from __future__ import annotations

from daglite import ref
from tests.typing.shop import count, upper

upper(text=ref(count()))

# mypy     Argument "text" to "__call__" of "BaseTask" has incompatible type "int"; expected "str"  [arg-type]
# plugin   Argument "text" to "upper" has incompatible type "int"; expected "str | Future[str]"  [arg-type]
# pyright  Argument of type "int" cannot be assigned to parameter "text" of type "str" in function "__call__"  [reportArgumentType]
# python   ok
