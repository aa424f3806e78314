"""Future used as a value: iterated."""

from __future__ import annotations

from tests.typing.shop import numbers

for number in numbers.iter(n=3):
    print(number)

# mypy     "IterFuture[int]" has no attribute "__iter__" (not iterable)  [attr-defined]
# plugin   "IterFuture[int]" has no attribute "__iter__" (not iterable)  [attr-defined]
# pyright  "IterFuture[int]" is not iterable  [reportGeneralTypeIssues]
# pyrefly  Type `IterFuture[int]` is not iterable  [not-iterable]
# ty       Object of type `IterFuture[int]` is not iterable  [not-iterable]
# python   TypeError: IterFuture(numbers) has no value yet: run it (`.run()`) or compile it (`daglite.compile(...)`)
