"""Save with a wrong key."""

from __future__ import annotations

from tests.typing.shop import double

double(x=1).save(3)

# mypy     Argument 1 to "save" of "Future" has incompatible type "int"; expected "str"  [arg-type]
# plugin   Argument 1 to "save" of "Future" has incompatible type "int"; expected "str"  [arg-type]
# pyright  Argument of type "Literal[3]" cannot be assigned to parameter "key" of type "str" in function "save"  [reportArgumentType]
# pyrefly  Argument `Literal[3]` is not assignable to parameter `key` with type `str` in function `daglite.futures.values.Future.save`  [bad-argument-type]
# ty       Argument to bound method `Future.save` is incorrect: Expected `str`, found `Literal[3]`  [invalid-argument-type]
# python   ParameterError: `key` of task 'double' must be a text such as 'row_{iteration_index}'; got 3
