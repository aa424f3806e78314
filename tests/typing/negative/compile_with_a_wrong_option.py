"""Compile with a wrong option."""

from __future__ import annotations

from daglite import compile
from tests.typing.shop import double

compile(double(x=1), max_in_flight="8")

# mypy     Argument "max_in_flight" to "compile" has incompatible type "str"; expected "int | None"  [arg-type]
# plugin   Argument "max_in_flight" to "compile" has incompatible type "str"; expected "int | None"  [arg-type]
# pyright  Argument of type "Literal['8']" cannot be assigned to parameter "max_in_flight" of type "int | None" in function "compile"  [reportArgumentType]
# pyrefly  Argument `Literal['8']` is not assignable to parameter `max_in_flight` with type `int | None` in function `daglite.compile.compile`  [bad-argument-type]
# ty       Argument to function `compile` is incorrect: Expected `int | None`, found `Literal["8"]`  [invalid-argument-type]
# python   ParameterError: `max_in_flight` must be a whole number >= 1; got '8'
