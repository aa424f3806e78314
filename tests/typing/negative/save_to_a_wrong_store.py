"""Save to a wrong store."""

from __future__ import annotations

from tests.typing.shop import double

double(x=1).save("key", save_store=3)

# mypy     Argument "save_store" to "save" of "Future" has incompatible type "int"; expected "Store | str | PathLike[str] | None"  [arg-type]
# plugin   Argument "save_store" to "save" of "Future" has incompatible type "int"; expected "Store | str | PathLike[str] | None"  [arg-type]
# pyright  Argument of type "Literal[3]" cannot be assigned to parameter "save_store" of type "Store | str | PathLike[str] | None" in function "save"  [reportArgumentType]
# pyrefly  Argument `Literal[3]` is not assignable to parameter `save_store` with type `PathLike[str] | Store | str | None` in function `daglite.futures.values.Future.save`  [bad-argument-type]
# ty       Argument to bound method `Future.save` is incorrect: Expected `Store | str | PathLike[str] | None`, found `Literal[3]`  [invalid-argument-type]
# python   ParameterError: `save_store` must be a store (an object with `save(key, value)`) or a folder; got 3
