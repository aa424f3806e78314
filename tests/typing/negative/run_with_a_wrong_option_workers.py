"""Run with a wrong option: workers."""

from __future__ import annotations

from tests.typing.shop import double

double(x=1).run(workers="2")

# mypy     Argument "workers" to "run" of "Future" has incompatible type "str"; expected "int"  [arg-type]
# plugin   Argument "workers" to "run" of "Future" has incompatible type "str"; expected "int"  [arg-type]
# pyright  Argument of type "Literal['2']" cannot be assigned to parameter "workers" of type "int" in function "run"  [reportArgumentType]
# pyrefly  Argument `Literal['2']` is not assignable to parameter `workers` with type `int` in function `daglite.futures.values.Future.run`  [bad-argument-type]
# ty       Argument to bound method `Future.run` is incorrect: Expected `int`, found `Literal["2"]`  [invalid-argument-type]
# python   ParameterError: `workers` must be a whole number >= 1; got '2'
