"""Map of a single value."""

from __future__ import annotations

from tests.typing.shop import double

double.map(x=3)

# mypy     Argument "x" to "map" of "BaseTask" has incompatible type "int"; expected "Iterable[Any] | Future[Iterable[Any]]"  [arg-type]
# plugin   Argument "x" to "double.map" has incompatible type "int"; expected "Iterable[int] | Future[Iterable[int]]"  [arg-type]
# pyright  Argument of type "Literal[3]" cannot be assigned to parameter "x" of type "Iterable[Any] | Future[Iterable[Any]]" in function "map"  [reportArgumentType]
# pyrefly  Keyword argument `x` with type `Literal[3]` is not assignable to parameter `**mapped` with type `Future[Iterable[Any]] | Iterable[Any]` in function `daglite.tasks.BaseTask.map`  [bad-argument-type]
# ty       Argument to bound method `BaseTask.map` is incorrect: Expected `Iterable[Any] | Future[Iterable[Any]]`, found `Literal[3]`  [invalid-argument-type]
# python   ParameterError: `map` of task 'double' needs an iterable for 'x'; got 3; fix single values with `.partial`
