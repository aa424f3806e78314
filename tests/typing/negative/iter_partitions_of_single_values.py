"""Iter_partitions of single values."""

from __future__ import annotations

from tests.typing.shop import numbers

numbers.iter_partitions([1, 2])

# mypy     List item 0 has incompatible type "int"; expected "Mapping[str, object]"  [list-item]
# mypy     List item 1 has incompatible type "int"; expected "Mapping[str, object]"  [list-item]
# plugin   List item 0 has incompatible type "int"; expected "Mapping[str, object]"  [list-item]
# plugin   List item 1 has incompatible type "int"; expected "Mapping[str, object]"  [list-item]
# pyright  Argument of type "list[int]" cannot be assigned to parameter "partitions" of type "Iterable[Mapping[str, object]] | Future[Iterable[Mapping[str, object]]]" in function "iter_partitions"  [reportArgumentType]
# pyrefly  Argument `list[int]` is not assignable to parameter `partitions` with type `Future[Iterable[Mapping[str, object]]] | Iterable[Mapping[str, object]]` in function `daglite.tasks.StreamTask.iter_partitions`  [bad-argument-type]
# ty       Argument to bound method `StreamTask.iter_partitions` is incorrect: Expected `Iterable[Mapping[str, object]] | Future[Iterable[Mapping[str, object]]]`, found `list[int]`  [invalid-argument-type]
# python   ParameterError: partition 0 of `iter_partitions` must hold arguments of task 'numbers' by name; got 1
