"""Run with an observer without on_event."""

from __future__ import annotations

from tests.typing.shop import double

double(x=1).run(observers=[5])

# mypy     List item 0 has incompatible type "int"; expected "Observer"  [list-item]
# plugin   List item 0 has incompatible type "int"; expected "Observer"  [list-item]
# pyright  Argument of type "list[int]" cannot be assigned to parameter "observers" of type "Sequence[Observer]" in function "run"  [reportArgumentType]
# pyrefly  Argument `list[int]` is not assignable to parameter `observers` with type `Sequence[Observer]` in function `daglite.futures.values.Future.run`  [bad-argument-type]
# ty       Argument to bound method `Future.run` is incorrect: Expected `Sequence[Observer]`, found `list[int]`  [invalid-argument-type]
# python   ParameterError: `observers` must be a list of objects with a method `on_event(event)`; got [5]
