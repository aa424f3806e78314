"""Save to a wrong store."""

from __future__ import annotations

from tests.typing.shop import double

double(x=1).save("key", save_store=3)

# mypy     Argument "save_store" to "save" of "Future" has incompatible type "int"; expected "Store | str | PathLike[str] | None"  [arg-type]
# plugin   Argument "save_store" to "save" of "Future" has incompatible type "int"; expected "Store | str | PathLike[str] | None"  [arg-type]
# pyright  Argument of type "Literal[3]" cannot be assigned to parameter "save_store" of type "Store | str | PathLike[str] | None" in function "save"  [reportArgumentType]
# python   ParameterError: `save_store` must be a store or a folder; got 3
