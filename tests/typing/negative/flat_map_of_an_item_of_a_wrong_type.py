"""Flat_map of an item of a wrong type."""

from __future__ import annotations

from daglite import task
from tests.typing.shop import numbers


@task
def letters(word: str) -> list[str]:
    return list(word)


numbers.iter(n=3).flat_map(letters)

# mypy     Argument 1 to "flat_map" of "Items" has incompatible type "Task[[str], list[str]]"; expected "Callable[[int], TaskFuture[Iterable[str]]]"  [arg-type]
# plugin   "flat_map" gives "int" to parameter "word" of task "letters", which takes "str"  [arg-type]
# pyright  Argument of type "Task[(word: str), list[str]]" cannot be assigned to parameter "task" of type "(int, **P@flat_map) -> TaskFuture[Iterable[U@flat_map]]" in function "flat_map"  [reportArgumentType]
# pyrefly  Argument `Task[[word: str], list[str]]` is not assignable to parameter `task` with type `(int, ParamSpec(@_)) -> TaskFuture[Iterable[@_]]` in function `daglite.futures.items.Items.flat_map`  [bad-argument-type]
# ty       Argument to bound method `Items.flat_map` is incorrect: Expected `(int, /, *args: Unknown, **kwargs: Unknown) -> TaskFuture[Iterable[Unknown]]`, found `Task[(word: str), list[str]]`  [invalid-argument-type]
# python   ok
